"""A model of the CUDA device's times: what bench/predict prints, out of stated assumptions."""
