/* A browser starts no worker for a page that is a file. So that the site can be searched without a
 * server, the search's worker runs in a hidden frame there; it needs no other scripts. */
if (location.protocol === "file:") {
    window.Worker = class extends EventTarget {
        constructor(address) {
            super();
            const frame = document.createElement("iframe");
            frame.hidden = true;
            document.body.append(frame);
            this.inside = frame.contentWindow;
            this.inside.postMessage = (data) =>
                this.dispatchEvent(new MessageEvent("message", { data }));
            const script = frame.contentDocument.createElement("script");
            script.src = address;
            this.isLoaded = new Promise((done) => script.addEventListener("load", done));
            frame.contentDocument.body.append(script);
        }

        postMessage(data) {
            this.isLoaded.then(() =>
                this.inside.dispatchEvent(new MessageEvent("message", { data })));
        }
    };
}
