#pragma once

/*
 * A fuzz target is one file with this function, and a folder of inputs under corpus/. Linked with
 * driver.c it is a unit test that runs the corpus and mutations of it; linked with libFuzzer
 * (script/fuzz) it searches for new inputs, which can be added to the corpus.
 */

#include <stddef.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
