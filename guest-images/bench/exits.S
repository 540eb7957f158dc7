/*
 * What an exit costs, seen by the guest: CPUID, port and device memory from user
 * code, the x2APIC from the kernel, which alone may.
 */
#define NAME "exits"
#include "common.inc"
#include "measure.inc"

/* COM1's scratch register: an emulated register whose reads and writes have no effect. */
#define SCRATCH (COM1 + 7)
#define APIC_BASE 0x1b
#define X2APIC_ID 0x802
/* The local APIC's version. */
#define VERSION 0x30
/* IF clear, IOPL 3: user code may use ports. */
#define USER_FLAGS 0x3002

/* SAMPLES times `code`, which keeps RSI, RDI, R8 and R9. */
#define MEASURE(...) \
    lea samples(%rip), %rdi; movl $SAMPLES, %r9d; \
55: rdtsc; movl %eax, %r8d; \
    __VA_ARGS__; \
    rdtsc; subl %r8d, %eax; stosl; decl %r9d; jnz 55b

/* All memory again from here on, where it differs. */
#define HIGH (1 << 39)

/* Runs user code at `entry`, beyond `user_offset`, which ends with int3. */
#define USER(entry) \
    pushq $USER_DATA32; movl $user_stack_top, %eax; pushq %rax; pushq $USER_FLAGS; \
    pushq $USER_CODE64; movl $entry, %eax; addq user_offset(%rip), %rax; pushq %rax; \
    movq %rsp, fault_rsp(%rip); addq $40, fault_rsp(%rip); \
    movl $77f, fault_resume(%rip); movl $-1, fault_vector(%rip); \
    iretq; \
77: FAULTED64(3, 0)

    .text
    .code32
main:
    ENTER64(long)

    .code64
long:
    cld
    SETTLED
    USER(user_cpuid)
    PRINT_SAMPLES("cpuid_exit")
    USER(user_port_read)
    PRINT_SAMPLES("port_read_exit")
    USER(user_port_write)
    PRINT_SAMPLES("port_write_exit")
    USER(user_mmio_read)
    PRINT_SAMPLES("mmio_read_exit_low")
    /* Where kernels and position-independent programs lie. */
    movq pml4(%rip), %rax
    movq %rax, pml4 + 8(%rip)
    movq $HIGH, %rax
    movq %rax, user_offset(%rip)
    USER(user_mmio_read)
    PRINT_SAMPLES("mmio_read_exit")
    movl $APIC_BASE, %ecx
    rdmsr
    orl $0x400, %eax
    wrmsr
    movb $1, use_x2apic(%rip)
    MEASURE(movl $X2APIC_ID, %ecx; rdmsr)
    PRINT_SAMPLES("x2apic_read_exit")
    jmp pass64

user_cpuid:
    MEASURE(xorl %eax, %eax; cpuid)
    int3
user_port_read:
    movl $SCRATCH, %edx
    MEASURE(movl $SCRATCH, %edx; inb %dx, %al)
    int3
user_port_write:
    MEASURE(movl $SCRATCH, %edx; outb %al, %dx)
    int3
user_mmio_read:
    movl $LAPIC, %ebx
    MEASURE(movl VERSION(%rbx), %eax)
    int3

    .bss
    .balign 16
user_offset: .space 8
    .balign 16
    .space 4096
user_stack_top:
