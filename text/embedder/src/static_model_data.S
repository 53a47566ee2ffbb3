/* The default model, linked into the library so that no file is looked up at run time. */
        .section .rodata
        .balign 64
        .global leadline_static_model_begin
        .hidden leadline_static_model_begin
        .type leadline_static_model_begin, %object
leadline_static_model_begin:
        .incbin LEADLINE_STATIC_MODEL
        .global leadline_static_model_end
        .hidden leadline_static_model_end
        .type leadline_static_model_end, %object
leadline_static_model_end:
        .byte 0
        .size leadline_static_model_begin, leadline_static_model_end - leadline_static_model_begin
        .size leadline_static_model_end, 1
#if defined(__linux__) && defined(__ELF__)
        .section .note.GNU-stack, "", %progbits
#endif
