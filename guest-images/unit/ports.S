/* Port I/O in every width and mode: registers of devices, nothing, partial registers. */
#define NAME "ports"
#include "common.inc"

#define NOWHERE 0x1f00          /* no device of a PC there */
#define PCI_ADDRESS 0xcf8
#define PCI_DATA 0xcfc

    .section .low, "awx"
    .code16
ports16:
    /* CMOS: index and data, a byte each; seconds are BCD or binary, below 0x60. */
    movb $0x00, %al
    outb %al, $0x70
    inb $0x71, %al
    cmpb $0x60, %al
    CHECK16(b)
    movl $0xaabbccdd, %eax
    movw $NOWHERE, %dx
    inb %dx, %al
    cmpl $0xaabbccff, %eax
    CHECK16(e)
    inw %dx, %ax
    cmpl $0xaabbffff, %eax
    CHECK16(e)
    xorl %eax, %eax
    inl %dx, %eax
    cmpl $-1, %eax
    CHECK16(e)
    ret

    .text
    .code32
main:
    CALL16(ports16)
    /* An 8259's mask is read back: immediate port, byte. */
    movb $0xa5, %al
    outb %al, $0x21
    xorl %eax, %eax
    inb $0x21, %al
    cmpl $0xa5, %eax
    CHECK32(e)
    movb $0xff, %al
    outb %al, $0x21
    /* The PCI address register: a dword, bits 30:24 and 1:0 are zero. */
    movw $PCI_ADDRESS, %dx
    movl $0x80000000, %eax
    outl %eax, %dx
    xorl %eax, %eax
    inl %dx, %eax
    cmpl $0x80000000, %eax
    CHECK32(e)
    /* The host bridge by dword, words and bytes: the same. */
    movw $PCI_DATA, %dx
    inl %dx, %eax
    movl %eax, %ebx
    cmpl $-1, %eax
    CHECK32(ne)
    inw %dx, %ax
    cmpw %bx, %ax
    CHECK32(e)
    movw $PCI_DATA + 2, %dx
    inw %dx, %ax
    shll $16, %eax
    movw $PCI_DATA + 1, %dx
    inb %dx, %al
    movb %al, %ah
    movw $PCI_DATA, %dx
    inb %dx, %al
    cmpl %ebx, %eax
    CHECK32(e)
    /* A device that is not there: all ones. */
    movw $PCI_ADDRESS, %dx
    movl $0x8000f000, %eax
    outl %eax, %dx
    movw $PCI_DATA, %dx
    inl %dx, %eax
    cmpl $-1, %eax
    CHECK32(e)
    /* Nothing: all ones in each width, the rest of the register kept, writes lost. */
    movl $0x12345678, %eax
    movw $NOWHERE, %dx
    outb %al, %dx
    outw %ax, %dx
    outl %eax, %dx
    cmpl $0x12345678, %eax
    CHECK32(e)
    inb %dx, %al
    cmpl $0x123456ff, %eax
    CHECK32(e)
    inw %dx, %ax
    cmpl $0x1234ffff, %eax
    CHECK32(e)
    inl %dx, %eax
    cmpl $-1, %eax
    CHECK32(e)
    /* The last port, and beyond. */
    movw $0xffff, %dx
    inb %dx, %al
    inl %dx, %eax
    ENTER64(long)

    .code64
long:
    movq $-1, %rax
    xorl %ecx, %ecx
    movb $0x80, %al
    movw $NOWHERE, %dx
    inb %dx, %al
    cmpq $-1, %rax
    CHECK64(e)
    /* A dword clears the upper half, narrower ones do not. */
    movq $0x1122334455667788, %rax
    inw %dx, %ax
    movq $0x112233445566ffff, %rbx
    cmpq %rbx, %rax
    CHECK64(e)
    inl %dx, %eax
    movl $-1, %ebx
    cmpq %rbx, %rax
    CHECK64(e)
    /* Flags are kept. */
    stc
    inb %dx, %al
    CHECK64(c)
    /* User code without leave takes #GP(0), as IOPL is 0 and no port is granted. */
    pushq $USER_DATA32
    movl $stack_top, %eax
    pushq %rax
    pushq $2
    pushq $USER_CODE64
    movl $user, %eax
    pushq %rax
    movq %rsp, fault_rsp(%rip)
    movl $1f, fault_resume(%rip)
    movl $-1, fault_vector(%rip)
    iretq
user:
    inb $0x21, %al
    ud2
1:  FAULTED64(13, 0)
    jmp pass64
