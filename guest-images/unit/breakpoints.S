/* What debuggers rely on, though the host lets #DB exit: when it comes, and what DR6 and DR7 hold. */
#define NAME "breakpoints"
#include "common.inc"

/* DR6 and DR7 with nothing set; breakpoint 0 hit, debug registers touched, a step; breakpoint 0 on,
 * on writes of four bytes, and detection of accesses to debug registers. */
#define DR6_CLEAR 0xffff0ff0
#define DR6_B0 0x1
#define DR6_BD 0x2000
#define DR6_BS 0x4000
#define DR7_CLEAR 0x400
#define DR7_L0 0x1
#define DR7_WRITE_4 0xd0000
#define DR7_GD 0x2000

#define SET_DR(number, value) movl $(value), %eax; movl %eax, %dr##number
#define HAS_DR(number, value) movl %dr##number, %eax; cmpl $(value), %eax; CHECK32(e)

/* Sets the trap flag; the next instruction is the one that is stepped over. */
#define TRAP pushfl; orl $0x100, (%esp); popfl
#define STEPPED(ip) \
    FAULTED32(1, 0); cmpl $ip, fault_ip; CHECK32(e); \
    HAS_DR(6, DR6_CLEAR | DR6_BS); SET_DR(6, DR6_CLEAR)

    .text
    .code32
main:
    /* INT1 is a trap that leaves DR6 alone. */
    SET_DR(6, DR6_CLEAR)
    TRY32(.byte 0xf1; behind_int1:)
    FAULTED32(1, 0)
    cmpl $behind_int1, fault_ip
    CHECK32(e)
    HAS_DR(6, DR6_CLEAR)

    /* Where the kernel does not switch debug registers none strikes, and says so:
     * Bulkhead's CPUID leaf 40000101h. */
    testl $BREAKPOINTS, bulkhead
    jz watched
    /* A breakpoint on an instruction is a fault. */
    SET_DR(0, instruction)
    SET_DR(7, DR7_CLEAR | DR7_L0)
    TRY32(instruction: nop)
    FAULTED32(1, 0)
    cmpl $instruction, fault_ip
    CHECK32(e)
    HAS_DR(6, DR6_CLEAR | DR6_B0)

    /* One on a write is a trap. */
    SET_DR(7, DR7_CLEAR)
    SET_DR(6, DR6_CLEAR)
    SET_DR(0, word)
    SET_DR(7, DR7_CLEAR | DR7_L0 | DR7_WRITE_4)
    TRY32(movl $5, word; behind_write:)
    FAULTED32(1, 0)
    cmpl $behind_write, fault_ip
    CHECK32(e)
    cmpl $5, word
    CHECK32(e)
    HAS_DR(6, DR6_CLEAR | DR6_B0)

watched:
    /* An access to a debug register that is watched is a fault, which ends the watch. */
    SET_DR(6, DR6_CLEAR)
    SET_DR(7, DR7_CLEAR | DR7_GD)
    TRY32(movl %dr0, %ecx)
    FAULTED32(1, 0)
    HAS_DR(6, DR6_CLEAR | DR6_BD)
    HAS_DR(7, DR7_CLEAR)

    /* A step ends behind an instruction, whether that exits or lets interrupts in. */
    SET_DR(6, DR6_CLEAR)
    TRY32(TRAP; nop; behind_nop:)
    STEPPED(behind_nop)
    TRY32(TRAP; cpuid; behind_cpuid:)
    STEPPED(behind_cpuid)
    TRY32(TRAP; sti; behind_sti:)
    cli
    STEPPED(behind_sti)
    jmp pass32

    .data
    .balign 4
word: .long 0
