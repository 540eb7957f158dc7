/* Control registers in each mode: what they keep, what takes #GP(0), what TS and XCR0 do. */
#define NAME "control"
#include "common.inc"

    .section .low, "awx"
    .code16
control16:
    movl %cr0, %eax
    movl %eax, %ebx
    /* LMSW sets TS, MP, EM and PE; SMSW shows them; CLTS. */
    smsww %ax
    orb $8, %al
    lmsw %ax
    smsww %ax
    testb $8, %al
    CHECK16(nz)
    clts
    smsww %ax
    testb $8, %al
    CHECK16(z)
    /* Paging without protection. */
    movl $on_tcg, %esi
    cmpb $0, %fs:(%esi)
    jne 2f
    movw $(1f - low_image), %cs:(low_resume - low_image)
    movl %ebx, %eax
    orl $0x80000000, %eax
    movl %eax, %cr0
1:  cmpl $1, %cs:(low_faults - low_image)
    CHECK16(e)
2:  movl %cr0, %eax
    cmpl %ebx, %eax
    CHECK16(e)
    movl %cr4, %eax
    orl $0x200, %eax
    movl %eax, %cr4
    movl %cr4, %ecx
    cmpl %eax, %ecx
    CHECK16(e)
    movl $0x1000, %eax
    movl %eax, %cr3
    movl %cr3, %ecx
    cmpl %eax, %ecx
    CHECK16(e)
    movl $0x600d, %cs:(low_result - low_image)
    ret

    .text
    .code32
main:
    CALL16(control16)
    cmpl $0x600d, result16
    CHECK32(e)
    movl %cr0, %ebx
    testl $1, %ebx
    CHECK32(nz)
    /* WP, NE, AM and TS come and go. */
    movl $0x5000a, %edi
    orl $0x20, %edi
    movl %ebx, %eax
    orl %edi, %eax
    movl %eax, %cr0
    movl %cr0, %ecx
    andl %edi, %ecx
    cmpl %edi, %ecx
    CHECK32(e)
    /* With TS set, the FPU and SSE take #NM; LMSW cannot clear PE. */
    TRY32(fninit)
    FAULTED32(7, 0)
    clts
    TRY32(fninit)
    NOT_FAULTED32
    xorl %eax, %eax
    lmsw %ax
    movl %cr0, %eax
    testl $1, %eax
    CHECK32(nz)
    movl %ebx, %cr0
    /* What cannot be: NW without CD, PG without PE. */
    cmpb $0, on_tcg
    jne 1f
    movl %ebx, %eax
    andl $~0x40000000, %eax
    orl $0x20000000, %eax
    TRY32(movl %eax, %cr0)
    FAULTED32(13, 0)
    movl %ebx, %eax
    andl $~1, %eax
    orl $0x80000000, %eax
    TRY32(movl %eax, %cr0)
    FAULTED32(13, 0)
    movl %cr0, %eax
    cmpl %ebx, %eax
    CHECK32(e)
    /* Bits of CR4 that do not exist. */
    movl %cr4, %eax
    orl $0x80000000, %eax
    TRY32(movl %eax, %cr4)
    FAULTED32(13, 0)
1:  /* PSE, PGE and OSFXSR do. */
    movl %cr4, %ebx
    movl %ebx, %eax
    orl $0x290, %eax
    movl %eax, %cr4
    movl %cr4, %ecx
    cmpl %eax, %ecx
    CHECK32(e)
    andl $~0x90, %eax
    movl %eax, %cr4
    movl %cr4, %ecx
    cmpl %eax, %ecx
    CHECK32(e)
    /* XGETBV and XSETBV do not exist before OSXSAVE. */
    xorl %ecx, %ecx
    TRY32(xgetbv)
    FAULTED32(6, 0)
    TRY32(xsetbv)
    FAULTED32(6, 0)
    /* The debug registers keep addresses; DR6 and DR7 have fixed bits. */
    movl $0x12345678, %eax
    movl %eax, %db0
    movl %db0, %ecx
    cmpl %eax, %ecx
    CHECK32(e)
    xorl %eax, %eax
    movl %eax, %db7
    movl %db7, %eax
    cmpl $0x400, %eax
    CHECK32(e)
    ENTER64(long)

    .code64
long:
    /* CR8: four bits; the local APIC's TPR is the same. */
    movl $0xb, %eax
    movq %rax, %cr8
    movq %cr8, %rcx
    cmpq %rax, %rcx
    CHECK64(e)
    movl $LAPIC, %ebx
    cmpl $0xb0, 0x80(%rbx)
    CHECK64(e)
    movl $0x5a, 0x80(%rbx)
    movq %cr8, %rcx
    cmpq $5, %rcx
    CHECK64(e)
    cmpb $0, on_tcg(%rip)
    jne 1f
    movl $0x10, %eax
    TRY64(movq %rax, %cr8)
    FAULTED64(13, 0)
1:  xorl %eax, %eax
    movq %rax, %cr8
    /* R8 as the operand. */
    movl $7, %r8d
    movq %r8, %cr8
    movq %cr8, %r9
    cmpq %r8, %r9
    CHECK64(e)
    movq %rax, %cr8
    /* No way out of PAE or paging's PE while in 64-bit mode. */
    cmpb $0, on_tcg(%rip)
    jne 2f
    movq %cr4, %rax
    andl $~0x20, %eax
    TRY64(movq %rax, %cr4)
    FAULTED64(13, 0)
    /* Upper halves do not exist. */
    movq %cr0, %rax
    btsq $32, %rax
    TRY64(movq %rax, %cr0)
    FAULTED64(13, 0)
    movq %cr4, %rax
    btsq $32, %rax
    TRY64(movq %rax, %cr4)
    FAULTED64(13, 0)
    /* Addresses of 52 bits at most in CR3. */
    movq %cr3, %rax
    btsq $52, %rax
    TRY64(movq %rax, %cr3)
    FAULTED64(13, 0)
2:  /* CR0 by WP: written, read, in use. */
    movq %cr0, %rax
    movq %rax, %rbx
    orl $0x10000, %eax
    movq %rax, %cr0
    andl $~2, directories + 8 * 2(%rip)
    movq %cr3, %rax
    movq %rax, %cr3
    movl $0x400000, %esi
    TRY64(movl %eax, (%rsi))
    FAULTED64(14, 3)
    movq %rbx, %cr0
    TRY64(movl %eax, (%rsi))
    NOT_FAULTED64
    /* XCR0 where there is one: x87 must stay, AVX needs SSE. */
    movl $1, %eax
    cpuid
    testl $0x04000000, %ecx
    jz 3f
    movq %cr4, %rax
    orl $0x40000, %eax
    movq %rax, %cr4
    xorl %ecx, %ecx
    xgetbv
    testl $1, %eax
    CHECK64(nz)
    movl $3, %eax
    xorl %edx, %edx
    TRY64(xsetbv)
    NOT_FAULTED64
    xgetbv
    cmpl $3, %eax
    CHECK64(e)
    movl $2, %eax
    TRY64(xsetbv)
    FAULTED64(13, 0)
    movl $5, %eax
    TRY64(xsetbv)
    FAULTED64(13, 0)
    movl $1, %ecx
    movl $3, %eax
    TRY64(xsetbv)
    FAULTED64(13, 0)
3:  jmp pass64
