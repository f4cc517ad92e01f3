//! CUE: scanner, parser, resolver and an evaluator of conjuncts and tasks. Knows no signatures, files or clocks.
