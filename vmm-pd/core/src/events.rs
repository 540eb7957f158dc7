//! Events to deliver: exceptions, NMI, interrupts, interrupt window.
