"""The measures as a table for a terminal: each figure of the generator beside the one of real images."""


def measure_table(result: dict) -> str:
    """The main figures of :func:`tinygan.evaluation.measures.measure`; the JSON holds all of them."""
    rows = [("measure", "generated", "real", "what it means")]
    for name, pick, meaning in FIGURES:
        rows.append((name, f"{pick(result['fake']):.3f}", f"{pick(result['floor']):.3f}", meaning))
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    lines = [f"{a:<{widths[0]}}  {b:>{widths[1]}}  {c:>{widths[2]}}  {d}".rstrip() for a, b, c, d in rows]
    return "\n".join([*lines, f"{result['count']} images each; 'real' compares training images with the test images"])


FIGURES = (
    ("channel mean, largest difference", lambda m: max(map(abs, m["moments"]["mean"])), "of 255; tint, brightness"),
    ("channel deviation, largest difference", lambda m: max(map(abs, m["moments"]["deviation"])), "of 255; contrast"),
    ("dead pixels", lambda m: m["moments"]["dead"], "share that never changes"),
    ("spectrum, low frequencies", lambda m: m["spectrum"]["low"], "dB; composition"),
    ("spectrum, middle frequencies", lambda m: m["spectrum"]["mid"], "dB; texture"),
    ("spectrum, high frequencies", lambda m: m["spectrum"]["high"], "dB; checkerboards, blur"),
    ("sliced Wasserstein distance", lambda m: m["sliced_wasserstein"]["mean"], "×10³; lower is nearer to real"),
    ("MS-SSIM between pairs", lambda m: m["ms_ssim"]["mean"], "well above real: collapse"),
    ("1-NN test, pixels", lambda m: m["nearest_neighbour"]["pixels"]["both"], "0.5 ideal, 1 misfit, 0 memorised"),
    ("1-NN test, whitened PCA", lambda m: m["nearest_neighbour"]["pca"]["both"], "0.5 ideal, 1 misfit, 0 memorised"),
)
