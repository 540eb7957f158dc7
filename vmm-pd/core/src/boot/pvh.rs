//! The PVH boot protocol for an unpacked kernel.
