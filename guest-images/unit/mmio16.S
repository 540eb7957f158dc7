/* Device registers from real mode, through a segment that reaches 4 GiB. */
#define NAME "mmio16"
#include "common.inc"

    .section .low, "awx"
    .code16
mmio16:
    movl $LAPIC, %ebx
    movl $0x20, %fs:0x80(%ebx)
    movl %fs:0x80(%ebx), %eax
    cmpl $0x20, %eax
    CHECK16(e)
    orl $0x0f, %fs:0x80(%ebx)
    cmpl $0x2f, %fs:0x80(%ebx)
    CHECK16(e)
    movl $0x40, %eax
    lock xaddl %eax, %fs:0x80(%ebx)
    cmpl $0x2f, %eax
    CHECK16(e)
    cmpl $0x6f, %fs:0x80(%ebx)
    CHECK16(e)
    /* A string with 32-bit addresses from there, to ES:EDI here. */
    leal 0x80(%ebx), %esi
    movl $(LOW_SCRATCH - LOW), %edi
    cld
    addr32 movsl %fs:(%esi), %es:(%edi)
    cmpl $0x6f, LOW_SCRATCH - LOW
    CHECK16(e)
    /* The I/O APIC's version. */
    movl $IOAPIC, %ebp
    movl $1, %fs:(%ebp)
    movl %fs:0x10(%ebp), %eax
    shrl $16, %eax
    cmpl $23, %eax
    CHECK16(e)
    /* Upper halves of registers are not lost. */
    movl $0x12345678, %eax
    movw $0x9abc, %ax
    cmpl $0x12349abc, %eax
    CHECK16(e)
    xorl %eax, %eax
    movl %eax, %fs:0x80(%ebx)
    movl $0x600d, %cs:(low_result - low_image)
    ret

    .text
    .code32
main:
    CALL16(mmio16)
    movl result16, %eax
    cmpl $0x600d, %eax
    CHECK32(e)
    jmp pass32
