/* String port instructions: widths, REP, direction, address size, every mode. */
#define NAME "strings"
#include "common.inc"

#define NOWHERE 0x1f00
#define COUNT 700               /* more than a VMM does at one exit */

    .section .low, "awx"
    .code16
strings16:
    /* rep insb from nothing: ones, and no byte more. */
    movw $(LOW_SCRATCH - LOW), %di
    movw $0x0101, %ax
    movw $8, %cx
    cld
    rep stosw
    movw $(LOW_SCRATCH - LOW), %di
    movw $5, %cx
    movw $NOWHERE, %dx
    rep insb
    testw %cx, %cx
    CHECK16(z)
    cmpw $(LOW_SCRATCH - LOW + 5), %di
    CHECK16(e)
    cmpl $0xffffffff, LOW_SCRATCH - LOW
    CHECK16(e)
    cmpl $0x010101ff, LOW_SCRATCH - LOW + 4
    CHECK16(e)
    /* With 32-bit addresses, and a segment override for OUTS. */
    movl $LOW_SCRATCH, %esi
    addr32 outsb %fs:(%esi), %dx
    cmpl $(LOW_SCRATCH + 1), %esi
    CHECK16(e)
    /* Count zero does nothing. */
    xorw %cx, %cx
    movw $7, %di
    rep insw
    cmpw $7, %di
    CHECK16(e)
    ret

    .text
    .code32
main:
    CALL16(strings16)
    cld
    /* insd, insw, insb of the PCI address register and of nothing. */
    movw $0xcf8, %dx
    movl $0x80000804, %eax
    outl %eax, %dx
    movl $buffer, %edi
    insl
    cmpl $0x80000804, buffer
    CHECK32(e)
    cmpl $(buffer + 4), %edi
    CHECK32(e)
    movw $NOWHERE, %dx
    movl $0, buffer + 4
    insw
    cmpl $0xffff, buffer + 4
    CHECK32(e)
    cmpl $(buffer + 6), %edi
    CHECK32(e)
    /* outsd sets what insd reads. */
    movl $0x80000408, buffer
    movl $buffer, %esi
    movw $0xcf8, %dx
    outsl
    cmpl $(buffer + 4), %esi
    CHECK32(e)
    inl %dx, %eax
    cmpl $0x80000408, %eax
    CHECK32(e)
    /* Downwards. */
    std
    movl $buffer + 8, %edi
    movl $3, %ecx
    movl $0, buffer
    movw $NOWHERE, %dx
    rep insl
    cld
    cmpl $(buffer - 4), %edi
    CHECK32(e)
    movl buffer, %eax
    andl buffer + 4, %eax
    andl buffer + 8, %eax
    cmpl $-1, %eax
    CHECK32(e)
    /* A long one, over a page. */
    movl $page - 350, %edi
    movl $COUNT, %ecx
    rep insb
    testl %ecx, %ecx
    CHECK32(z)
    cmpl $(page - 350 + COUNT), %edi
    CHECK32(e)
    movl $page - 350, %edi
    movl $COUNT, %ecx
    movb $0xff, %al
    repe scasb
    CHECK32(e)
    cmpb $0, (%edi)
    CHECK32(e)
    /* Text to COM1 by rep outsb, no longer than its FIFO: what a person sees. */
    call drain32
    movl $text, %esi
    movl $text_end - text, %ecx
    movw $COM1, %dx
    rep outsb
    call drain32
    ENTER64(long)

    .code64
long:
    cld
    /* 64-bit indices, and 32-bit ones that clear the upper halves. */
    movl $buffer, %edi
    movw $NOWHERE, %dx
    movl $2, %ecx
    rep insl
    lea buffer + 8(%rip), %rax
    cmpq %rax, %rdi
    CHECK64(e)
    movq $0x7700000000000000, %rcx
    lea buffer(%rip), %rdi
    orq %rcx, %rdi
    incq %rcx
    addr32 rep insw
    lea buffer + 2(%rip), %rax
    cmpq %rax, %rdi
    CHECK64(e)
    testq %rcx, %rcx
    CHECK64(z)
    testl $PAGE_FAULTS, bulkhead(%rip)
    jz canonical
    /* A destination that is not there: #PF, and the elements before it done. */
    andl $~1, directories + (0x600000 >> 21) * 8(%rip)
    movq %cr3, %rax
    movq %rax, %cr3
    movq $0x5ffffc, %rdi
    movl $3, %ecx
    TRY64(rep insl)
    FAULTED64(14, 2)
    cmpq $0x600000, fault_cr2(%rip)
    CHECK64(e)
    cmpl $2, %ecx
    CHECK64(e)
    cmpq $0x600000, %rdi
    CHECK64(e)
    /* And the source. */
    movq $0x600000, %rsi
    TRY64(outsb)
    FAULTED64(14, 0)
    cmpq $0x600000, %rsi
    CHECK64(e)
canonical:
    /* Not canonical. */
    movq $0x8000000000000000, %rdi
    TRY64(insb)
    FAULTED64(13, 0)
    jmp pass64

    .data
text: .ascii "by rep outsb\r\n"
text_end:
    .bss
    .balign 16
buffer: .space 16
    .balign 4096
    .space 4096
page: .space 4096
