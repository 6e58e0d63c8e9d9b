# A guest that needs no system and acknowledges each write as a database does. It counts its boots in sector HEAD. Number n,
# the boot in its upper 8 bits, goes to sector FIRST + (37 n mod SLOTS) by BIOS int 13h; when the disk says that it is
# written, n goes to the serial port as a line of eight hexadecimal digits; if byte QUIET of the sector is set it says nothing, and
# writes as fast as it can. If byte SECOND is set n goes to the same sector of the second disk, too, before it is acknowledged.
# guest.ts holds the sector that this makes:
#   as guest.s -o guest.o && objcopy -O binary -j .text guest.o guest.bin
.set HEAD, 0x1000
.set FIRST, 0x2000
.set SLOTS, 0x4000
.set NUMBER, 0x8000
.set PACKET, 0x7e00
.set DRIVE, 0x7df0
.set QUIET, 0x7dfc
.set SECOND, 0x7dfd

.code16
.global _start
_start:
    xorw %ax, %ax
    movw %ax, %ds
    movw %ax, %ss
    movw $0x7c00, %sp
    movb %dl, DRIVE
    # A line that an earlier boot did not end is none.
    movb $'\n', %al
    call put
    movl $NUMBER, PACKET + 4
    movl $HEAD, PACKET + 8
    movl $0, PACKET + 12
    movb $0x42, %ah
    call disk
    movl NUMBER, %eax
    andl $0xff000000, %eax
    addl $0x01000000, %eax
    movl %eax, NUMBER
    movb $0x43, %ah
    call disk
next:
    incl NUMBER
    imull $37, NUMBER, %eax
    andl $(SLOTS - 1), %eax
    addl $FIRST, %eax
    movl %eax, PACKET + 8
    movb $0x43, %ah
    call disk
    cmpb $0, SECOND
    je written
    incb DRIVE
    call disk
    decb DRIVE
written:
    cmpb $0, QUIET
    jne next
    movl NUMBER, %ebp
    movw $8, %cx
digit:
    roll $4, %ebp
    movw %bp, %ax
    andb $0x0f, %al
    cmpb $10, %al
    jb small
    addb $('A' - '0' - 10), %al
small:
    addb $'0', %al
    call put
    loop digit
    movb $'\n', %al
    call put
    # The clock's next tick, 18 of which are a second: a guest that waits takes no processor.
    sti
    hlt
    jmp next

# Reads (ah 0x42) or writes (0x43) the sector, until that succeeds.
disk:
    movl $0x00010010, PACKET
    movw $PACKET, %si
    movb DRIVE, %dl
    pushw %ax
    movb $0, %al
    int $0x13
    popw %ax
    jc disk
    ret

# Sends al.
put:
    pushw %ax
wait:
    movw $0x3fd, %dx
    inb %dx, %al
    testb $0x20, %al
    jz wait
    popw %ax
    movw $0x3f8, %dx
    outb %al, %dx
    ret

.org 510
.word 0xaa55
