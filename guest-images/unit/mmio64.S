/* Device registers through every instruction form of 64-bit code, and its own addresses. */
#define NAME "mmio64"
#include "common.inc"

#define FS_BASE 0xc0000100

    .text
    .code32
main:
    ENTER64(long)

    .code64
long:
    movl $LAPIC, %ebx
    movl $IOAPIC, %ebp
#define CHECK CHECK64
#define BX %rbx
#define IOX %rbp
#include "forms.inc"
    lea 0x80(%rbx), %rsi
    lea scratch(%rip), %rdi
    cld
    movsl
    cmpl $0x5a, scratch(%rip)
    CHECK64(e)
    /* R8 to R15, an index with a scale, a negative displacement. */
    movl $LAPIC, %r13d
    movl $0x10, %r14d
    movl $0x66, %r9d
    movl %r9d, 0x80(%r13)
    movl (%r13, %r14, 8), %r10d
    cmpq %r9, %r10
    CHECK64(e)
    lea 0x1000(%r13), %r12
    movl -0xf80(%r12), %r11d
    cmpq %r9, %r11
    CHECK64(e)
    /* A 32-bit load clears the upper half. */
    movq $-1, %rax
    movl 0x80(%rbx), %eax
    cmpq $0x66, %rax
    CHECK64(e)
    movq $-1, %rdx
    movslq 0x80(%rbx), %rdx
    cmpq $0x66, %rdx
    CHECK64(e)
    /* 32-bit addresses wrap, and ignore upper halves. */
    movq $0x7700000000000000, %rax
    orq %rbx, %rax
    movl $0x55, %ecx
    movl %ecx, 0x80(%eax)
    cmpl $0x55, 0x80(%rbx)
    CHECK64(e)
    /* The moffs form, 64 bits of address. */
    movabsl 0xfee00080, %eax
    cmpl $0x55, %eax
    CHECK64(e)
    /* FS by its base, and relative to RIP through another mapping. */
    movl $FS_BASE, %ecx
    movl $LAPIC, %eax
    xorl %edx, %edx
    wrmsr
    movl $0x33, %fs:0x80
    cmpl $0x33, %fs:0x80
    CHECK64(e)
    movl $(LAPIC & ~0x1fffff) + 0x83, directories + 8 * 1023(%rip)
    movl $0x7fe00000, %eax
    invlpg (%rax)
    lea patched + 6(%rip), %rcx
    movl $0x7fe00080, %edx
    subl %ecx, %edx
    movl %edx, patched + 2(%rip)
    jmp patched                         /* serialises, after the patch */
patched:                                /* movl 0x7fe00080, %eax by RIP */
    .byte 0x8b, 0x05
    .long 0
    cmpl $0x33, %eax
    CHECK64(e)
    /* Faults: not canonical by data and by stack segment. */
    movq $0x0000800000000000, %rax
    TRY64(movl (%rax), %ecx)
    FAULTED64(13, 0)
    cmpb $0, on_tcg(%rip)
    jne 1f
    movq %rax, %rbp
    TRY64(movl (%rbp), %ecx)
    FAULTED64(12, 0)
1:
    /* An instruction over a page's end. */
    lea crossing(%rip), %rsi
    lea page - 3(%rip), %rdi
    movl $crossing_end - crossing, %ecx
    rep movsb
    lea page - 3(%rip), %rax
    call *%rax
    cmpl $0x5b, 0x80(%rbx)
    CHECK64(e)
    jmp pass64

crossing:
    movl $0x5b, 0x80(%rbx)
    ret
crossing_end:

    .data
    .balign 4
scratch: .long 0
    .bss
    .balign 4096
    .space 4096
page: .space 4096
