# SPDX-License-Identifier: Apache-2.0
# cmake -DIN=FILE -DOUT=FILE.inc -P WordsToC.cmake: the words of 32 bits of IN, low byte first, as numbers for an array of uint32_t.
file(READ ${IN} bytes HEX)
string(REGEX REPLACE "(..)(..)(..)(..)" "0x\\4\\3\\2\\1,\n" words "${bytes}")
file(WRITE ${OUT} "${words}")
