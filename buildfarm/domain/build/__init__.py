"""The gate, waivers, parity with the vendor's buildroot, clusters of failures."""
