"""What compare_torch.py measures beside its grid (--extra): head dims between the classical ones, fp16 beside bf16, and
grouped-query beside multi-head attention. Points and what follows from their rows; knows nothing of torch."""

SEQLEN, BATCH, WIDTH = 4096, 4, 2048  # heads · head_dim is WIDTH or just below
CLASSICAL = (64, 128, 256)
HEAD_DIMS = (64, 72, 80, 96, 112, 128, 136, 160, 184, 192, 232, 256)
SECTIONS = ("head_dims", "fp16", "gqa")


def point(head_dim: int, causal: bool, dtype: str = "bf16", heads: int = 0, heads_kv: int = 0) -> dict:
    heads = heads or WIDTH // head_dim
    return {"head_dim": head_dim, "causal": causal, "seqlen": SEQLEN, "batch": BATCH, "heads": heads,
            "heads_kv": heads_kv or heads, "dtype": dtype}


def groups() -> list:
    """[(section, points)]: the points of a group are measured together, taking turns in every round. `values`: the type
    that inputs are rounded to first; fp16 of bf16's values tells what the bits cost from what the instructions cost."""
    masks = (False, True)
    return ([("head_dims", [point(head_dim, causal)]) for causal in masks for head_dim in HEAD_DIMS] +
            [("fp16", [point(head_dim, causal, "fp16"), point(head_dim, causal, "fp16") | {"values": "bf16"},
                       point(head_dim, causal, "bf16")])
             for head_dim in CLASSICAL for causal in masks] +
            [("gqa", [point(128, True, heads=32, heads_kv=heads_kv) for heads_kv in (8, 32)])])


def interpolate(head_dim: int, at: dict) -> float | None:
    """The line between the classical head dims on both sides, whose speeds are `at`."""
    below = max(d for d in CLASSICAL if d <= head_dim)
    above = min(d for d in CLASSICAL if d >= head_dim)
    if below not in at or above not in at:
        return None
    share = (head_dim - below) / (above - below) if above > below else 0.0
    return at[below] + share * (at[above] - at[below])


def add_lines(rows: list) -> None:
    """vs_line: a head dim's speed over the line between its classical neighbours, same kernel and mask."""
    for row in rows:
        if "flashjit" not in row or row["head_dim"] in CLASSICAL:
            continue
        at = {r["head_dim"]: r["flashjit"] for r in rows if "flashjit" in r and r["head_dim"] in CLASSICAL and
              (r["causal"], r["kernel"]) == (row["causal"], row["kernel"])}
        line = interpolate(row["head_dim"], at)
        if line:
            row["vs_line"] = round(row["flashjit"] / line, 3)


def add_ratios(rows: list, field: str, value, name: str) -> None:
    """`name`: the speed of the row over that of its partner, the row of its group whose `field` is `value`."""
    def rest(row):
        return {k: row[k] for k in ("head_dim", "causal", "seqlen", "batch", "heads", "heads_kv", "dtype", "kernel")
                if k != field}
    for row in rows:
        partner = next((r for r in rows if r[field] == value and rest(r) == rest(row)), None)
        if row[field] != value and partner and "flashjit" in row and "flashjit" in partner:
            row[name] = round(row["flashjit"] / partner["flashjit"], 3)


def finish(section: str, rows: list) -> None:
    """Adds what a section is measured for."""
    for row in rows:
        if "flashjit" in row and "cudnn" in row:
            row["vs_cudnn"] = round(row["flashjit"] / row["cudnn"], 3)
    if section == "head_dims":
        add_lines(rows)
    elif section == "fp16":
        add_ratios(rows, "dtype", "bf16", "vs_bf16")
    elif section == "gqa":
        add_ratios(rows, "heads_kv", 32, "vs_mha")


def summary(section: str, rows: list) -> str:
    """The least of every ratio of a section, and where."""
    parts = []
    for name in ("vs_cudnn", "vs_line", "vs_bf16", "vs_mha"):
        known = [row for row in rows if name in row and "values" not in row and
                 not (section == "head_dims" and row["head_dim"] in CLASSICAL)]
        if known:
            least = min(known, key=lambda row: row[name])
            parts.append(f"{name} at least {least[name]} (d{least['head_dim']} "
                         f"{'causal' if least['causal'] else 'full'} {least['dtype']} {least['kernel']})")
    return f"{section}: " + ("; ".join(parts) or "nothing to compare")
