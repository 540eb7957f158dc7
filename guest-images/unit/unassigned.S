/* Addresses that are nothing: all ones in every width, writes lost, in 32- and 64-bit code. */
#define NAME "unassigned"
#include "common.inc"

#define HIGH 0x1000000000       /* 64 GiB: beyond all RAM of ours */

    .text
    .code32
main:
    cmpb $0, on_tcg
    je 1f
    SKIP32("QEMU reads zeros there")
1:  movl $UNASSIGNED, %ebx
    movl $0x12345678, %eax
    movl %eax, (%ebx)
    movb (%ebx), %al
    cmpl $0x123456ff, %eax
    CHECK32(e)
    movw 1(%ebx), %ax
    cmpl $0x1234ffff, %eax
    CHECK32(e)
    movl 3(%ebx), %eax
    cmpl $-1, %eax
    CHECK32(e)
    /* Narrow forms: extensions, high bytes, bits, conditions, strings. */
    xorl %eax, %eax
    movzbl (%ebx), %eax
    cmpl $0xff, %eax
    CHECK32(e)
    movsbw (%ebx), %ax
    cmpl $0xffff, %eax
    CHECK32(e)
    movzwl 2(%ebx), %eax
    cmpl $0xffff, %eax
    CHECK32(e)
    movsbl (%ebx), %eax
    cmpl $-1, %eax
    CHECK32(e)
    xorl %eax, %eax
    movb 5(%ebx), %ah
    cmpl $0xff00, %eax
    CHECK32(e)
    addb $1, (%ebx)
    CHECK32(c)
    incb (%ebx)
    CHECK32(z)
    sete (%ebx)
    cmpb $0xff, (%ebx)
    CHECK32(e)
    btw $15, (%ebx)
    CHECK32(c)
    movb $0x12, %al
    xchgb %al, (%ebx)
    cmpb $0xff, %al
    CHECK32(e)
    lock cmpxchg8b (%ebx)
    CHECK32(ne)
    cmpl $-1, %edx
    CHECK32(e)
    cld
    movl %ebx, %esi
    movl $scratch, %edi
    movl $3, %ecx
    rep movsw
    cmpl $-1, scratch
    CHECK32(e)
    cmpl $0xffff, scratch + 4
    CHECK32(e)
    /* Many more elements than one exit does, RAM on the other side. */
    movl %ebx, %edi
    movl $4000, %ecx
    movb $0xff, %al
    repe scasb
    CHECK32(e)
    leal 4000(%ebx), %eax
    cmpl %eax, %edi
    CHECK32(e)
    testl %ecx, %ecx
    CHECK32(z)
    movl %ebx, %edi
    movl $5000, %ecx
    rep stosb
    leal 5000(%ebx), %eax
    cmpl %eax, %edi
    CHECK32(e)
    /* Beside the APICs, where a wrong size of their windows would show. */
    cmpl $-1, IOAPIC + 0x1000
    CHECK32(e)
    cmpl $-1, LAPIC + 0x1000
    CHECK32(e)
    cmpl $-1, LAPIC - 4
    CHECK32(e)
    ENTER64(long)

    .code64
long:
    movl $UNASSIGNED, %ebx
    movq (%rbx), %rax
    cmpq $-1, %rax
    CHECK64(e)
    /* Over a page's end. */
    movq 0xffc(%rbx), %rax
    cmpq $-1, %rax
    CHECK64(e)
    /* Above 4 GiB: the page at 0xff000000 leads there. */
    movq $HIGH + 0x87, %rax
    movq %rax, directories + 8 * 2040(%rip)
    movl $0xff000000, %ebx
    invlpg (%rbx)
    movq (%rbx), %rax
    cmpq $-1, %rax
    CHECK64(e)
    movq $5, (%rbx)
    movq (%rbx), %rax
    cmpq $-1, %rax
    CHECK64(e)
    jmp pass64

    .data
    .balign 4
scratch: .long 0, 0
