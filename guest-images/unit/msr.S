/* MSRs: known ones keep what is written, unknown ones and reserved bits take #GP(0). */
#define NAME "msr"
#include "common.inc"

#define EFER 0xc0000080
#define STAR 0xc0000081
#define LSTAR 0xc0000082
#define FMASK 0xc0000084
#define FS_BASE 0xc0000100
#define GS_BASE 0xc0000101
#define KERNEL_GS_BASE 0xc0000102
#define SYSENTER_CS 0x174
#define SYSENTER_ESP 0x175
#define SYSENTER_EIP 0x176
#define APIC_BASE 0x1b
#define PAT 0x277
#define TSC 0x10
#define UNKNOWN 0xc0defeed

    .text
    .code32
main:
    /* IA32_APIC_BASE: where it should be, enabled, the bootstrap processor. */
    movl $APIC_BASE, %ecx
    rdmsr
    andl $0xfffff900, %eax
    cmpl $0xfee00900, %eax
    CHECK32(e)
    /* SYSENTER's registers keep 32 bits each. */
    movl $SYSENTER_CS, %ecx
    movl $0x1234, %eax
    xorl %edx, %edx
    wrmsr
    xorl %eax, %eax
    rdmsr
    cmpl $0x1234, %eax
    CHECK32(e)
    movl $SYSENTER_ESP, %ecx
1:  leal 0x11000000(%ecx), %eax
    xorl %edx, %edx
    wrmsr
    incl %ecx
    cmpl $SYSENTER_EIP, %ecx
    jbe 1b
    movl $SYSENTER_ESP, %ecx
    rdmsr
    cmpl $0x11000175, %eax
    CHECK32(e)
    movl $SYSENTER_EIP, %ecx
    rdmsr
    cmpl $0x11000176, %eax
    CHECK32(e)
    /* The PAT after reset, changed and changed back. */
    movl $PAT, %ecx
    rdmsr
    cmpl $0x00070406, %eax
    CHECK32(e)
    movl $0x00010406, %eax
    wrmsr
    rdmsr
    cmpl $0x00010406, %eax
    CHECK32(e)
    movl $0x00070406, %eax
    wrmsr
    /* EFER: SCE and NXE come and go, LMA does not exist yet, the rest is #GP. */
    movl $EFER, %ecx
    rdmsr
    testl $0x400, %eax
    CHECK32(z)
    xorl $0x801, %eax
    wrmsr
    movl %eax, %esi
    rdmsr
    cmpl %esi, %eax
    CHECK32(e)
    xorl $0x801, %eax
    wrmsr
    cmpb $0, on_tcg
    jne 1f
    orl $2, %eax
    TRY32(wrmsr)
    FAULTED32(13, 0)
    /* Time goes on, and RDTSC and the MSR tell the same time. */
    rdtsc
    movl %eax, %esi
    movl %edx, %edi
    movl $TSC, %ecx
    rdmsr
    subl %esi, %eax
    sbbl %edi, %edx
    CHECK32(nc)
    testl %edx, %edx
    CHECK32(z)
    /* Unknown ones; EAX and EDX are kept by a read that faults. */
    movl $UNKNOWN, %ecx
    movl $0x13579bdf, %eax
    TRY32(rdmsr)
    FAULTED32(13, 0)
    cmpl $0x13579bdf, %eax
    CHECK32(e)
    TRY32(wrmsr)
    FAULTED32(13, 0)
    movl $0x3fffffff, %ecx
    TRY32(rdmsr)
    FAULTED32(13, 0)
    /* A memory type that does not exist. */
    movl $PAT, %ecx
    movl $0x00070402, %eax
    TRY32(wrmsr)
    FAULTED32(13, 0)
1:  ENTER64(long)

    .code64
long:
    /* The registers of SYSCALL and of the segments, 64 bits each. */
    lea registers(%rip), %rsi
1:  movl (%rsi), %ecx
    testl %ecx, %ecx
    jz 2f
    movl $0x00001234, %edx
    leal 0x70000000(%rcx), %eax
    cmpl $FMASK, %ecx
    jne 3f
    xorl %edx, %edx
3:  wrmsr
    movl %eax, %ebx
    movl %edx, %edi
    xorl %eax, %eax
    xorl %edx, %edx
    rdmsr
    cmpl %ebx, %eax
    CHECK64(e)
    cmpl %edi, %edx
    CHECK64(e)
    addq $4, %rsi
    jmp 1b
2:  /* In use, after being written: FS by its base. */
    movl $FS_BASE, %ecx
    lea value(%rip), %rax
    xorl %edx, %edx
    wrmsr
    cmpl $0x0badcafe, %fs:0
    CHECK64(e)
    movl $GS_BASE, %ecx
    xorl %eax, %eax
    wrmsr
    movl $KERNEL_GS_BASE, %ecx
    lea value(%rip), %rax
    wrmsr
    swapgs
    cmpl $0x0badcafe, %gs:0
    CHECK64(e)
    swapgs
    /* LMA is there now and cannot be taken. */
    movl $EFER, %ecx
    rdmsr
    testl $0x400, %eax
    CHECK64(nz)
    cmpb $0, on_tcg(%rip)
    jne 4f
    /* LME cannot change while paging is on, nor an address be not canonical. */
    andl $~0x100, %eax
    TRY64(wrmsr)
    FAULTED64(13, 0)
    movl $LSTAR, %ecx
    movl $0x80000000, %edx
    TRY64(wrmsr)
    FAULTED64(13, 0)
    movl $KERNEL_GS_BASE, %ecx
    movl $0x00008000, %edx
    TRY64(wrmsr)
    FAULTED64(13, 0)
    movl $UNKNOWN, %ecx
    TRY64(rdmsr)
    FAULTED64(13, 0)
4:  jmp pass64

    .data
    .balign 4
registers: .long STAR, LSTAR, FMASK, KERNEL_GS_BASE, FS_BASE, GS_BASE, 0
value: .long 0x0badcafe
