/*
 * The part of the JPEG code that must be C: libjpeg reports errors with a jump, and the jump must not cross Rust.
 *
 * Each function catches all jumps itself, calls nothing in Rust, and frees what libjpeg allocated.
 */

#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jpeglib.h>
#include <jerror.h>

/* The same numbers as in libjpeg.rs. */
enum outcome { OUTCOME_OK, OUTCOME_FAILED, OUTCOME_TRUNCATED, OUTCOME_DAMAGED, OUTCOME_SCANS };

struct pentimento_jpeg {
  uint32_t width, height;
  /* 1: grey, 3: red, green, blue. */
  uint32_t channels;
  /* libjpeg's last error or the warning that ended the decoding. */
  char message[JMSG_LENGTH_MAX];
};

/* Real files have at most a few dozen scans. Each scan costs a pass over the picture, however few bytes it has. */
#define MAX_SCANS 100
/* Coefficients of the largest picture that is allowed: 256 MiB of samples, two bytes each, and some room. */
#define MAX_MEMORY (640L << 20)
/* Some cameras leave a few bytes between the coded data and the next marker. More are coded data that lost its place. */
#define MAX_STRAY_BYTES 16

struct errors {
  struct jpeg_error_mgr manager;
  jmp_buf jump;
  enum outcome outcome;
  char *message;
};

struct source {
  struct jpeg_source_mgr manager;
  const uint8_t *bytes;
  /* The file ended before libjpeg had enough. It was given an end marker. */
  int ended;
  /* Where another picture starts among the scans, or 0. */
  size_t second;
};

struct decoder {
  struct jpeg_decompress_struct info;
  struct jpeg_progress_mgr progress;
  struct errors errors;
  struct source source;
};

static void stop(j_common_ptr info, enum outcome outcome) {
  struct errors *errors = (struct errors *)info->err;
  errors->outcome = outcome;
  info->err->format_message(info, errors->message);
  longjmp(errors->jump, 1);
}

static void stop_at_error(j_common_ptr info) {
  struct decoder *decoder = (struct decoder *)info;
  if (info->is_decompressor && info->err->msg_code == JERR_SOI_DUPLICATE && decoder->info.input_scan_number > 0)
    decoder->source.second = (size_t)(decoder->source.manager.next_input_byte - decoder->source.bytes) - 2;
  stop(info, OUTCOME_FAILED);
}

static void print_nothing(j_common_ptr info) { (void)info; }

/* Whether the bytes that libjpeg just skipped before a marker are coded data that belongs to no pixel. */
static int is_lost_data(j_common_ptr info) {
  struct decoder *decoder = (struct decoder *)info;
  size_t skipped = (size_t)info->err->msg_parm.i[0];
  int marker = info->err->msg_parm.i[1];
  /* libjpeg moves this over each byte that it skips, but not yet over the marker. */
  const uint8_t *end = decoder->source.manager.next_input_byte;
  if (decoder->info.input_scan_number == 0 || decoder->source.ended || skipped <= MAX_STRAY_BYTES) return 0;
  /* A picture without an end marker may be followed by another file. */
  if (marker != 0xd9 && marker != 0xda && marker != 0xc4 && (marker < 0xd0 || marker > 0xd7)) return 0;
  if (end < decoder->source.bytes || (size_t)(end - decoder->source.bytes) < skipped) return 1;
  for (const uint8_t *at = end - skipped; at < end; at++)
    if (*at != 0x00 && *at != 0xff) return 1;
  return 0;
}

/* libjpeg goes on after damage, with grey or wrong pixels. This stops it. */
static void stop_at_damage(j_common_ptr info, int level) {
  if (level >= 0) return;
  switch (info->err->msg_code) {
    case JWRN_HIT_MARKER:
      stop(info, OUTCOME_TRUNCATED);
      break;
    case JWRN_HUFF_BAD_CODE:
    case JWRN_ARITH_BAD_CODE:
    case JWRN_MUST_RESYNC:
    case JWRN_BOGUS_PROGRESSION:
      stop(info, OUTCOME_DAMAGED);
      break;
    case JWRN_EXTRANEOUS_DATA:
      if (is_lost_data(info)) stop(info, OUTCOME_DAMAGED);
  }
}

static void limit_scans(j_common_ptr info) {
  if (((j_decompress_ptr)info)->input_scan_number > MAX_SCANS) stop(info, OUTCOME_SCANS);
}

static void do_nothing(j_decompress_ptr info) { (void)info; }

static boolean give_end_marker(j_decompress_ptr info) {
  static const JOCTET end[2] = { 0xff, JPEG_EOI };
  struct source *source = (struct source *)info->src;
  source->ended = 1;
  source->manager.next_input_byte = end;
  source->manager.bytes_in_buffer = sizeof end;
  return TRUE;
}

static void skip(j_decompress_ptr info, long count) {
  struct source *source = (struct source *)info->src;
  if (count <= 0) return;
  if ((size_t)count > source->manager.bytes_in_buffer) {
    give_end_marker(info);
  } else {
    source->manager.next_input_byte += count;
    source->manager.bytes_in_buffer -= (size_t)count;
  }
}

static void start(struct decoder *decoder, const uint8_t *bytes, size_t length, struct pentimento_jpeg *jpeg) {
  j_decompress_ptr info = &decoder->info;
  info->err = &decoder->errors.manager;
  jpeg_create_decompress(info);
  info->mem->max_memory_to_use = MAX_MEMORY;
  decoder->source.bytes = bytes;
  decoder->source.manager.next_input_byte = bytes;
  decoder->source.manager.bytes_in_buffer = length;
  decoder->source.manager.init_source = do_nothing;
  decoder->source.manager.fill_input_buffer = give_end_marker;
  decoder->source.manager.skip_input_data = skip;
  decoder->source.manager.resync_to_restart = jpeg_resync_to_restart;
  decoder->source.manager.term_source = do_nothing;
  info->src = &decoder->source.manager;
  decoder->progress.progress_monitor = limit_scans;
  info->progress = &decoder->progress;

  jpeg_read_header(info, TRUE);
  jpeg->width = info->image_width;
  jpeg->height = info->image_height;
  if (info->num_components != 1 && info->num_components != 3) ERREXIT(info, JERR_BAD_J_COLORSPACE);
  jpeg->channels = info->jpeg_color_space == JCS_GRAYSCALE ? 1 : 3;
  info->out_color_space = jpeg->channels == 1 ? JCS_GRAYSCALE : JCS_RGB;
}

/* Whether the file held all data of all components, after its last scan was read. */
static int is_complete(const struct decoder *decoder) {
  const struct jpeg_decompress_struct *info = &decoder->info;
  for (int component = 0; component < info->num_components; component++) {
    /* Set by the component's first scan. */
    if (info->comp_info[component].quant_table == NULL) return 0;
    /* Without an end marker, nothing says that the scans that are still missing were left out on purpose. */
    if (decoder->source.ended && info->coef_bits != NULL)
      for (int k = 0; k < DCTSIZE2; k++)
        if (info->coef_bits[component][k] != 0) return 0;
  }
  /* An arithmetic decoder reads zeros after the end of its data. Only a marker tells the end from a cut. */
  return !(decoder->source.ended && info->arith_code);
}

static void read_pixels(struct decoder *decoder, uint8_t *pixels) {
  j_decompress_ptr info = &decoder->info;
  size_t row = (size_t)info->image_width * (info->out_color_space == JCS_GRAYSCALE ? 1 : 3);
  int one_scan;
  jpeg_start_decompress(info);
  one_scan = info->comps_in_scan == info->num_components && !info->progressive_mode;
  if (!one_scan && !is_complete(decoder)) stop((j_common_ptr)info, OUTCOME_TRUNCATED);
  while (info->output_scanline < info->output_height) {
    JSAMPROW line = pixels + row * info->output_scanline;
    jpeg_read_scanlines(info, &line, 1);
  }
  if (one_scan && !is_complete(decoder)) stop((j_common_ptr)info, OUTCOME_TRUNCATED);
}

static enum outcome run(struct decoder *decoder, const uint8_t *bytes, size_t length, uint8_t *pixels, size_t size,
                        struct pentimento_jpeg *jpeg) {
  /* Volatile, because it changes between setjmp and longjmp. */
  volatile int has_pixels = 0;
  if (setjmp(decoder->errors.jump)) {
    enum outcome outcome = decoder->errors.outcome;
    jpeg_destroy_decompress(&decoder->info);
    /* What follows a complete picture may be anything, unless it shows that the data lost its place. */
    if (has_pixels && outcome != OUTCOME_DAMAGED) return OUTCOME_OK;
    return outcome == OUTCOME_FAILED && decoder->source.ended ? OUTCOME_TRUNCATED : outcome;
  }
  start(decoder, bytes, length, jpeg);
  if (pixels != NULL) {
    if ((size_t)jpeg->width * jpeg->height * jpeg->channels != size) ERREXIT(&decoder->info, JERR_BAD_LENGTH);
    read_pixels(decoder, pixels);
    has_pixels = 1;
    /* Reads on to the end marker. */
    jpeg_finish_decompress(&decoder->info);
  }
  jpeg_destroy_decompress(&decoder->info);
  return OUTCOME_OK;
}

static enum outcome attempt(struct decoder *decoder, const uint8_t *bytes, size_t length, uint8_t *pixels, size_t size,
                            struct pentimento_jpeg *jpeg) {
  memset(decoder, 0, sizeof *decoder);
  memset(jpeg, 0, sizeof *jpeg);
  jpeg_std_error(&decoder->errors.manager);
  decoder->errors.manager.error_exit = stop_at_error;
  decoder->errors.manager.emit_message = stop_at_damage;
  decoder->errors.manager.output_message = print_nothing;
  decoder->errors.message = jpeg->message;
  return run(decoder, bytes, length, pixels, size, jpeg);
}

/*
 * Reads the header, and if `pixels` is not null, all pixels: `size` bytes, which is width × height × channels.
 */
int pentimento_jpeg_decode(const uint8_t *bytes, size_t length, uint8_t *pixels, size_t size,
                           struct pentimento_jpeg *jpeg) {
  struct decoder decoder;
  enum outcome outcome = attempt(&decoder, bytes, length, pixels, size, jpeg);
  /* A picture without an end marker, before another one. */
  if (outcome == OUTCOME_FAILED && decoder.source.second > 0)
    outcome = attempt(&decoder, bytes, decoder.source.second, pixels, size, jpeg);
  return (int)outcome;
}

struct encoder {
  struct jpeg_compress_struct info;
  struct errors errors;
  unsigned char *bytes;
  unsigned long length;
};

static int encode(struct encoder *encoder, const uint8_t *pixels, uint32_t width, uint32_t height, int quality) {
  j_compress_ptr info = &encoder->info;
  if (setjmp(encoder->errors.jump)) {
    /* libjpeg may have replaced `bytes` by a larger buffer without saying so. Losing it is safe, freeing it is not. */
    jpeg_destroy_compress(info);
    return 0;
  }
  jpeg_create_compress(info);
  jpeg_mem_dest(info, &encoder->bytes, &encoder->length);
  info->image_width = width;
  info->image_height = height;
  info->input_components = 3;
  info->in_color_space = JCS_RGB;
  /* The defaults of MozJPEG are slow and progressive. */
  jpeg_c_set_int_param(info, JINT_COMPRESS_PROFILE, JCP_FASTEST);
  jpeg_set_defaults(info);
  jpeg_set_quality(info, quality, TRUE);
  jpeg_start_compress(info, TRUE);
  while (info->next_scanline < height) {
    JSAMPROW line = (JSAMPROW)(pixels + (size_t)width * 3 * info->next_scanline);
    jpeg_write_scanlines(info, &line, 1);
  }
  jpeg_finish_compress(info);
  jpeg_destroy_compress(info);
  return 1;
}

/*
 * Encodes width × height × 3 bytes as a baseline JPEG. Returns 1, and memory that pentimento_jpeg_free takes.
 */
int pentimento_jpeg_encode(const uint8_t *pixels, uint32_t width, uint32_t height, int quality, uint8_t **bytes,
                           size_t *length) {
  struct encoder encoder;
  char message[JMSG_LENGTH_MAX];
  memset(&encoder, 0, sizeof encoder);
  encoder.info.err = jpeg_std_error(&encoder.errors.manager);
  encoder.errors.manager.error_exit = stop_at_error;
  encoder.errors.manager.output_message = print_nothing;
  encoder.errors.message = message;
  if (!encode(&encoder, pixels, width, height, quality)) return 0;
  *bytes = encoder.bytes;
  *length = encoder.length;
  return 1;
}

void pentimento_jpeg_free(uint8_t *bytes) { free(bytes); }
