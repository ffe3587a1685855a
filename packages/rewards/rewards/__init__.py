"""The paper's arithmetic: what each attempt of a batch earns, and how much better than its companions it did."""
