//! The interrupt fabric: lines into the 8259 pair, the I/O APIC and the local APIC.
