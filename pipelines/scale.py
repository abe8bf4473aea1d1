"""What a training step costs on many GPUs; see scale.sh, which says what is printed, and doc/scale.md, where each term comes from."""
import argparse
import random

TERMS = {
    "encode": 0.0030, "token": 0.0195, "weights": 0.1, "decode": 128, "reward": 0.0007, "update": 0.0075, "mean": 20.0, "deviation": 12.0,
    "longest": 60, "batch": 4096, "block": 32, "parameters": 388e6, "convert": 0.004, "adam": 0.05, "node": 8, "inside": 20e9, "between": 12e9,
    "state": 5.4e9, "policy": 0.41e9, "disk": 2e9, "every": 1,
}
MAY_BE_0 = {"encode", "token", "weights", "reward", "update", "deviation", "parameters", "convert", "adam", "state", "policy"}
DRAWS = 40  # steps that are simulated


def draw(t, rng):
    """Tokens of one caption."""
    return min(t["longest"], max(1, round(rng.gauss(t["mean"], t["deviation"]))))


def sampling(t, tokens):
    """Seconds of one decode batch. A caption that has ended leaves it: a step costs reading the weights, and a share by caption."""
    alive = sum(tokens) / t["decode"]
    return t["token"] * (t["weights"] * max(tokens) + (1 - t["weights"]) * alive)


def part(t, n, learned, rng):
    """Seconds of a rank that samples n captions and learns from so many of them."""
    tokens = [draw(t, rng) for _ in range(n)]
    seconds = n * (t["encode"] + t["reward"]) + learned * t["update"] * (sum(tokens) / n / t["mean"] if n else 0)
    return seconds + sum(sampling(t, tokens[i:i + t["decode"]]) for i in range(0, n, t["decode"]))


def convert(t, learned):
    """Gradients of each block become integers; there are two passes."""
    return -(-learned // t["block"]) * t["convert"]


def summing(t, ranks):
    """A ring within each machine and one over machines: a link carries 2 (n - 1) / n of the bytes."""
    size, inside, machines = 8 * t["parameters"], min(ranks, t["node"]), -(-ranks // t["node"])
    return 2 * (inside - 1) / inside * size / t["inside"] + 2 * (machines - 1) / machines * size / t["between"]


def row(t, ranks, rng):
    blocks = -(-t["batch"] // t["block"])
    sampled = [t["batch"] * (r + 1) // ranks - t["batch"] * r // ranks for r in range(ranks)]
    learned = [min(t["batch"], (blocks * (r + 1) // ranks) * t["block"]) - min(t["batch"], (blocks * r // ranks) * t["block"]) for r in range(ranks)]
    mean = slowest = 0.0
    for _ in range(DRAWS):
        seconds = [part(t, n, k, rng) + convert(t, k) for n, k in zip(sampled, learned)]
        mean += sum(seconds) / ranks / DRAWS
        slowest += max(seconds) / DRAWS
    return mean, slowest - mean, summing(t, ranks), t["adam"] + (t["policy"] + t["state"] / t["every"]) / t["disk"]


def number(parser, name, text, kind):
    """What was given for a term, of the kind of its default; counts and divisors are not 0."""
    try:
        value = kind(float(text))
    except (ValueError, OverflowError):
        parser.error(f"{name} is a number, not '{text}'")
    least = 0 if name in MAY_BE_0 else 1 if kind is int else None
    if not (value < float("inf") and (value > 0 if least is None else value >= least)):
        parser.error(f"{name} is {text}, expected {'more than 0' if least is None else f'{least} or more'}")
    return value


def main():
    parser = argparse.ArgumentParser(prog="vlrm scale", add_help=False)
    parser.add_argument("--ranks", default="1,8,64,512")
    parser.add_argument("terms", nargs="*")
    options = parser.parse_args()
    t = dict(TERMS)
    for word in options.terms:
        name, _, value = word.partition("=")
        if name not in t:
            parser.error(f"'{name}' is not one of {', '.join(t)}")
        t[name] = number(parser, name, value, type(t[name]))
    all_ranks = [number(parser, "--ranks", n, int) for n in options.ranks.split(",")]
    rng = random.Random(1)
    print(" ranks  captions     own    wait     sum    rest    step  faster")
    alone = None
    for ranks in all_ranks:
        parts = row(t, ranks, rng)
        step = sum(parts)
        alone = alone or step
        print(f"{ranks:6d}  {t['batch'] / ranks:8.0f}" + "".join(f"  {p:6.2f}" for p in parts) + f"  {step:6.2f}  {alone / step:6.1f}")


if __name__ == "__main__":
    main()
