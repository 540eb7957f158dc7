//! Turns the interface's CamelCase names into the names of constants.

/// `TCBSetIPCBuffer` becomes `TCB_SET_IPC_BUFFER`.
///
/// A run of capitals is one word, but its last letter belongs to the lower-case
/// letters that follow it. A lone first letter is no word: `CNodeCopy` is
/// `CNODE_COPY`. Digits belong to the word before them.
pub(crate) fn constant_name(name: &str) -> String {
    let chars: Vec<char> = name.chars().collect();
    let mut out = String::with_capacity(name.len() + 8);
    for (i, &c) in chars.iter().enumerate() {
        let before = i.checked_sub(1).and_then(|b| chars.get(b));
        let after = chars.get(i + 1);
        let starts_word = c.is_ascii_uppercase()
            && before.is_some_and(|b| {
                !b.is_ascii_uppercase() || (i > 1 && after.is_some_and(char::is_ascii_lowercase))
            });
        if starts_word {
            out.push('_');
        }
        out.push(c.to_ascii_uppercase());
    }
    out
}

#[cfg(test)]
mod tests {
    use super::constant_name;

    #[test]
    fn words_are_told_apart() {
        for (name, constant) in [
            ("Call", "CALL"),
            ("ReplyRecv", "REPLY_RECV"),
            ("NBSend", "NB_SEND"),
            ("VMEnter", "VM_ENTER"),
            ("DebugPutChar", "DEBUG_PUT_CHAR"),
            ("TCBConfigure", "TCB_CONFIGURE"),
            ("TCBSetIPCBuffer", "TCB_SET_IPC_BUFFER"),
            ("TCBSetMCPriority", "TCB_SET_MC_PRIORITY"),
            ("CNodeCopy", "CNODE_COPY"),
            ("IRQAckIRQ", "IRQ_ACK_IRQ"),
            ("X86PageMapEPT", "X86_PAGE_MAP_EPT"),
            ("X86EPTPDPTMap", "X86_EPTPDPT_MAP"),
            ("X86IOPortIn8", "X86_IO_PORT_IN8"),
            ("X86IRQIssueIRQHandlerIOAPIC", "X86_IRQ_ISSUE_IRQ_HANDLER_IOAPIC"),
            ("X86VCPUReadVMCS", "X86_VCPU_READ_VMCS"),
            ("tls_base", "TLS_BASE"),
        ] {
            assert_eq!(constant_name(name), constant);
        }
    }
}
