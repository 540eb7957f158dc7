//! A virtual machine: its buses, devices and pending events.
