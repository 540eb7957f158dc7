//! The Linux boot protocol for a bzImage.
