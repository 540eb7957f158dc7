//! The acpi_pm device.
