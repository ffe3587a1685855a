"""What the results say: pure functions of finished cells."""
