"""Expressions and what is said of them: features, instructions, families, normal forms."""
