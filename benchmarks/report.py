"""The table of a comparison, from what the JSON file holds."""

MIB = 2**20


def table(result: dict) -> str:
    """One block per peer: times, ratio, memory; then the machine's limits and the peers that were not timed."""
    work, rates = result["workload"], result["machine"]
    least = result["least_work"]
    floors = {"products": least["operations"] / rates["flops"], "copies": least["bytes"] / rates["bytes"]}
    lines = [
        f"{rates['device']}: products {rates['flops'] / 1e9:.0f} GFLOP/s, copies {rates['bytes'] / 1e9:.1f} GB/s; "
        f"least work of the step {least['operations'] / 1e9:.2f} GFLOP ({1e3 * floors['products']:.3g} ms), "
        f"{least['bytes'] / 1e9:.3f} GB ({1e3 * floors['copies']:.3g} ms)",
        "",
        f"{'':20} {'ms median':>10} {'min':>9} {'max':>9} {'MiB peak':>9} {'of products':>11} {'of copies':>9}"
        f"   ratio, median (min to max)",
    ]
    for peer in result["peers"]:
        if peer["status"] != "timed":
            lines.append(f"{peer['name']:20} {peer['status']}: {peer['why']}")
            continue
        for name, memory in (("tinygan", result["tinygan"]["peak_memory"]), (peer["name"], peer["peak_memory"])):
            of = peer["summary"]["tinygan" if name == "tinygan" else "peer"]
            shares = [floor / of["median"] for floor in floors.values()]
            row = (
                f"{name:20} {1e3 * of['median']:>10.4g} {1e3 * of['min']:>9.4g} {1e3 * of['max']:>9.4g} "
                f"{memory / MIB:>9.0f} {shares[0]:>11.0%} {shares[1]:>9.0%}"
            )
            if name != "tinygan":
                ratio = peer["summary"]["ratio"]
                row += f"   {ratio['median']:.3f} ({ratio['min']:.3f} to {ratio['max']:.3f})"
            lines.append(row)
        idle = peer["idle_processor_share"]
        if work["device"] == "cpu" and idle is not None and idle > 0.02:
            lines.append(f"  the waiting side used {idle:.0%} of a processor: these times are disturbed")
    return "\n".join(lines)
