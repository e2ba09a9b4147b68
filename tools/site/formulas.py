"""A hook of MkDocs: LaTeX as GitHub has it, in ```math blocks and as $`...`$, becomes MathML, which
browsers draw by themselves."""

import re

import latex2mathml.converter

BLOCK = re.compile(r"^```math\n(.*?)^```$", re.DOTALL | re.MULTILINE)
INLINE = re.compile(r"\$`([^`]+)`\$")


def mathml(latex, display):
    text = latex2mathml.converter.convert(" ".join(latex.split()), display=display)
    # Beside the sign: above and below browsers without a mathematical font print those over it.
    text = text.replace("munderover>", "msubsup>").replace("munder>", "msub>")
    return text.replace("*", "&#42;").replace("_", "&#95;")  # no emphasis of Markdown's


def on_page_markdown(markdown, **_):
    markdown = BLOCK.sub(
        lambda found: f'<div class="formula">{mathml(found.group(1), "block")}</div>', markdown
    )
    # In a span: Markdown takes <math> at the beginning of a line for a block.
    return INLINE.sub(lambda found: f"<span>{mathml(found.group(1), 'inline')}</span>", markdown)
