# A guest that needs no system: it writes an ever larger number to its own disk by BIOS int 13h, for ever.
# Number n goes to sector FIRST + (37 n mod SLOTS): as 37 is odd, SLOTS numbers in a row go to SLOTS different sectors.
# counter.ts holds the sector that this makes:
#   as counter.s -o counter.o && objcopy -O binary -j .text counter.o counter.bin
.set FIRST, 0x2000
.set SLOTS, 0x4000
.set NUMBER, 0x8000
.set PACKET, 0x7e00
.set DRIVE, 0x7df0

.code16
.global _start
_start:
    xorw %ax, %ax
    movw %ax, %ds
    movw %ax, %ss
    movw $0x7c00, %sp
    movb %dl, DRIVE
    movl $0, NUMBER
    # The packet of an extended write: its size, one sector, from NUMBER on; the upper half of the sector's number is 0.
    movl $0x00010010, PACKET
    movl $NUMBER, PACKET + 4
    movl $0, PACKET + 12
next:
    incl NUMBER
    imull $37, NUMBER, %eax
    andl $(SLOTS - 1), %eax
    addl $FIRST, %eax
    movl %eax, PACKET + 8
    movw $PACKET, %si
    movb DRIVE, %dl
    movw $0x4300, %ax
    int $0x13
    jmp next

.org 510
.word 0xaa55
