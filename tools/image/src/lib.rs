//! Boot images: system payload, ELF, GRUB ISO.
