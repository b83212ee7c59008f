class Failure(Exception):
    """What stops the benchmark, said in one line."""
