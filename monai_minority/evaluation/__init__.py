"""Features, density, fidelity, memorization and severity of real and generated images."""
