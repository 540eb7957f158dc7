/*
 * The guest of tools/bench/domains/floor-vmm, which answers an exit by entering
 * again and nothing else: what is measured here is the kernel's part of an exit. Flat
 * 32-bit code without a stack, loaded at GPA 0x10000 and entered at its start.
 *
 * Samples go to SAMPLE_PAGE; a write to the port DONE says that there are SAMPLES
 * of them, and names the operation by AL.
 */
#define SAMPLES 256
#define SAMPLE_PAGE 0x11000
#define PORT 0x3ff
#define DONE 0x80
#define X2APIC_ID 0x802
/* A page that is not mapped. */
#define UNMAPPED 0xfee00000

#define MEASURE(operation, ...) \
    movl $SAMPLE_PAGE, %edi; movl $SAMPLES, %ebp; \
55: rdtsc; movl %eax, %esi; \
    __VA_ARGS__; \
    rdtsc; subl %esi, %eax; stosl; decl %ebp; jnz 55b; \
    movb $operation, %al; outb %al, $DONE

    .text
    .code32
    .globl start
start:
    cld
    MEASURE('c', xorl %eax, %eax; cpuid)
    MEASURE('i', movl $PORT, %edx; inb %dx, %al)
    MEASURE('o', movl $PORT, %edx; outb %al, %dx)
    MEASURE('x', movl $X2APIC_ID, %ecx; rdmsr)
    MEASURE('m', movl $UNMAPPED, %ebx; movl 0x30(%ebx), %eax)
    movb $'.', %al
    outb %al, $DONE
1:  jmp 1b
