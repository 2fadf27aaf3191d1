// A crowd of viewers in one process: thousands of WebSockets that speak Engine.IO 4 and Socket.IO 5, or bare WebSocket, on one epoll
// loop. Frames are counted by their headers; of a payload only the first bytes are looked at. Node's clients cost more CPU per frame
// than the servers that they measure.
//
// Arguments are name=value (see `options`), commands come on stdin, one a line; each is answered by one line of JSON on stdout.
// All times are CLOCK_MONOTONIC in ms, the clock of `process.hrtime` in Node, so that both sides of a measurement can be subtracted.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define CAPTURE 4096

typedef enum { IDLE, CONNECTING, UPGRADING, HELLO, JOINING, READY } State;

typedef struct {
  int fd;
  State state;
  int token;
  // What is being read: a partial header, or the rest of a payload of which the first bytes are captured.
  unsigned char head[14];
  int headLength, opcode, captured;
  unsigned long long left;
  char *capture;
  // What this viewer knows.
  long long upTo, epoch, frame, ackedFrame;
  int unacked, stalled, marked;
  double unackedSince, markedAt, snapshotAt, retryAt;
  unsigned long long frames, frames0;
} Viewer;

typedef struct { long long upTo; double at; int viewer; } Sample;
typedef struct { int count; double first, last; } Cover;

static int epollFd, port, count = 1, parallel = 256, sampleEvery = 0, rcvbuf = 0, ackEvery = 0;
static double ackWithinMs = 1000;
static char *path = "/socket.io/?EIO=4&transport=websocket", *hello = "40", *join = "", *rejoin = "", *ackText = "", *mark = "";
static char **tokens;
static int tokenCount;
static Viewer *viewers;
static int ready, inHandshake, nextToOpen, failed, retries, closedByServer;
static int sioMode = 1;
static unsigned long long bytes, frames, levels, acks, lostWrites;
static Sample *samples;
static size_t sampleCount, sampleMax = 4000000;
static Cover *covers;
static long long coverBase = 0;
static int coverMax = 0;
static int storming, recovered;
static double stormAt, commandAt;
static enum { NOTHING, OPENING, STORM } waiting = NOTHING;

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec * 1e3 + t.tv_nsec / 1e6;
}

static void fail(const char *what) {
  fprintf(stderr, "flood: %s: %s\n", what, strerror(errno));
  exit(1);
}

// Replaces %T token, %U upTo, %E epoch, %F frame.
static int fill(char *out, int size, const char *text, Viewer *v) {
  int n = 0;
  for (const char *p = text; *p && n < size - 24; p++) {
    if (*p == '%' && p[1] == 'T' && tokenCount > 0) n += snprintf(out + n, size - n, "%s", tokens[v->token % tokenCount]), p++;
    else if (*p == '%' && p[1] == 'U') n += snprintf(out + n, size - n, "%lld", v->upTo), p++;
    else if (*p == '%' && p[1] == 'E') n += snprintf(out + n, size - n, "%lld", v->epoch), p++;
    else if (*p == '%' && p[1] == 'F') n += snprintf(out + n, size - n, "%lld", v->frame), p++;
    else out[n++] = *p;
  }
  out[n] = 0;
  return n;
}

// A client's frame is masked; the mask 0 is a mask as well and leaves the payload as it is.
static void sendFrame(Viewer *v, int opcode, const char *payload, int length) {
  unsigned char out[4200];
  int n = 0;
  out[n++] = 0x80 | opcode;
  if (length < 126) out[n++] = 0x80 | length;
  else {
    out[n++] = 0x80 | 126;
    out[n++] = length >> 8;
    out[n++] = length & 255;
  }
  memset(out + n, 0, 4);
  n += 4;
  memcpy(out + n, payload, length);
  n += length;
  if (send(v->fd, out, n, MSG_NOSIGNAL) != n) lostWrites++;
}

static void say(Viewer *v, const char *template) {
  char text[4096];
  int length = fill(text, sizeof text, template, v);
  sendFrame(v, 1, text, length);
}

static void startConnection(Viewer *v) {
  v->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
  if (v->fd < 0) fail("socket");
  int one = 1;
  setsockopt(v->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  if (rcvbuf > 0) setsockopt(v->fd, SOL_SOCKET, SO_RCVBUF, &rcvbuf, sizeof rcvbuf);
  struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  if (connect(v->fd, (struct sockaddr *)&to, sizeof to) < 0 && errno != EINPROGRESS) fail("connect");
  v->state = CONNECTING;
  v->headLength = v->captured = 0;
  v->left = 0;
  v->unacked = v->stalled = 0;
  v->snapshotAt = 0;
  struct epoll_event event = {.events = EPOLLOUT, .data.ptr = v};
  if (epoll_ctl(epollFd, EPOLL_CTL_ADD, v->fd, &event) < 0) fail("epoll");
  inHandshake++;
}

static void closeViewer(Viewer *v) {
  if (v->fd < 0) return;
  // As a network that is gone: no closing handshake.
  struct linger hard = {1, 0};
  setsockopt(v->fd, SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
  close(v->fd);
  v->fd = -1;
  if (v->state == READY) ready--;
  else if (v->state != IDLE) inHandshake--;
  v->state = IDLE;
}

static void lost(Viewer *v) {
  int wasReady = v->state == READY;
  closeViewer(v);
  if (wasReady) closedByServer++;
  else {
    retries++;
    v->retryAt = now() + 50 + rand() % 100;
  }
}

static void becomeReady(Viewer *v) {
  v->state = READY;
  inHandshake--;
  ready++;
}

static long long numberAfter(const char *text, int length, const char *name, long long otherwise) {
  char *at = memmem(text, length, name, strlen(name));
  return at == NULL ? otherwise : strtoll(at + strlen(name), NULL, 10);
}

static void acknowledge(Viewer *v) {
  v->unacked = 0;
  if (v->frame <= v->ackedFrame) return;
  v->ackedFrame = v->frame;
  acks++;
  say(v, ackText);
}

static void takeLevels(Viewer *v, const char *text, int length, double at) {
  int index = v - viewers;
  if (ackEvery > 0) {
    v->frame = numberAfter(text, length, "\"frame\":", v->frame);
    if (v->unacked++ == 0) v->unackedSince = at;
    if (v->unacked >= ackEvery) acknowledge(v);
  }
  if (*mark && !v->marked && memmem(text, length, mark, strlen(mark)) != NULL) {
    v->marked = 1;
    v->markedAt = at;
  }
  long long upTo = numberAfter(text, length, "\"upTo\":", -1);
  if (upTo < 0) return;
  if (sampleEvery > 0 && index % sampleEvery == 0 && sampleCount < sampleMax)
    samples[sampleCount++] = (Sample){upTo, at, index};
  if (coverMax > 0) {
    for (long long one = v->upTo + 1; one <= upTo; one++) {
      if (one <= coverBase || one > coverBase + coverMax) continue;
      Cover *cover = &covers[one - coverBase - 1];
      if (cover->count++ == 0) cover->first = at;
      cover->last = at;
    }
  }
  if (upTo > v->upTo) v->upTo = upTo;
}

static void takeMessage(Viewer *v, double at) {
  const char *text = v->capture;
  int length = v->captured;
  if (v->opcode == 8) { lost(v); return; }
  if (v->opcode == 9) { sendFrame(v, 10, text, length < 125 ? length : 125); return; }
  if (v->opcode != 1) return;
  if (sioMode && length == 1 && text[0] == '2') { sendFrame(v, 1, "3", 1); return; }
  if (v->state == HELLO) {
    if (text[0] == '0') say(v, hello);
    else if (length > 1 && text[0] == '4' && text[1] == '4') { failed++; fprintf(stderr, "flood: refused: %.200s\n", text); lost(v); }
    else if (length > 1 && text[0] == '4' && text[1] == '0') {
      if (*join == 0) { becomeReady(v); return; }
      v->state = JOINING;
      say(v, storming && *rejoin ? rejoin : join);
    }
    return;
  }
  v->frames++;
  frames++;
  if (length > 17 && memcmp(text, "42[\"stock:levels\"", 17) == 0) {
    levels++;
    takeLevels(v, text, length, at);
    return;
  }
  if (length > 19 && memcmp(text, "42[\"stock:snapshot\"", 19) == 0) {
    v->epoch = numberAfter(text, length, "\"epoch\":", v->epoch);
    v->upTo = numberAfter(text, length, "\"upTo\":", v->upTo);
    v->frame = numberAfter(text, length, "\"frame\":", v->frame);
    v->ackedFrame = v->frame;
    if (v->snapshotAt == 0) { v->snapshotAt = at; if (storming) recovered++; }
    return;
  }
  // The answer to the join, which has the number 0.
  if (v->state == JOINING && length > 3 && memcmp(text, "430[", 4) == 0) {
    if (memmem(text, length, "\"ok\":false", 10) != NULL) { failed++; fprintf(stderr, "flood: refused: %.200s\n", text); }
    becomeReady(v);
  }
}

// Takes what arrived apart into frames; returns 0 when the viewer was closed.
static int takeBytes(Viewer *v, const unsigned char *data, int length, double at) {
  int i = 0;
  if (v->state == UPGRADING) {
    // The answer to the upgrade ends with an empty line; `left` counts how much of it has been seen.
    static const char end[] = "\r\n\r\n";
    while (i < length && v->left < 4) {
      v->left = data[i] == (unsigned char)end[v->left] ? v->left + 1 : data[i] == '\r' ? 1 : 0;
      i++;
    }
    if (v->left < 4) return 1;
    v->left = 0;
    v->state = HELLO;
    if (!sioMode) becomeReady(v);
  }
  while (i < length) {
    if (v->left == 0) {
      v->head[v->headLength++] = data[i++];
      int size = v->headLength < 2 ? 2 : (v->head[1] & 127) == 126 ? 4 : (v->head[1] & 127) == 127 ? 10 : 2;
      if (v->headLength < size || v->headLength < 2) continue;
      v->left = v->head[1] & 127;
      if (size == 4) v->left = v->head[2] << 8 | v->head[3];
      if (size == 10) for (int k = 2, z = 0; k < 10; k++) v->left = z++ == 0 ? v->head[k] : v->left << 8 | v->head[k];
      if ((v->head[0] & 15) != 0) v->opcode = v->head[0] & 15;
      v->headLength = v->captured = 0;
      if (v->left == 0) continue;
    }
    int part = (unsigned long long)(length - i) < v->left ? length - i : (int)v->left;
    int room = CAPTURE - 1 - v->captured, kept = part < room ? part : room;
    memcpy(v->capture + v->captured, data + i, kept);
    v->captured += kept;
    v->left -= part;
    i += part;
    if (v->left == 0) {
      v->capture[v->captured] = 0;
      takeMessage(v, at);
      if (v->fd < 0) return 0;
    }
  }
  return 1;
}

static void onEvent(Viewer *v, unsigned events) {
  static unsigned char buffer[262144];
  if (v->fd < 0) return;
  if (v->state == CONNECTING) {
    int error = 0;
    socklen_t size = sizeof error;
    getsockopt(v->fd, SOL_SOCKET, SO_ERROR, &error, &size);
    if (error != 0) { lost(v); return; }
    char request[1024];
    int n = snprintf(request, sizeof request,
      "GET %s HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
      "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n", path, port);
    if (send(v->fd, request, n, MSG_NOSIGNAL) != n) { lost(v); return; }
    v->state = UPGRADING;
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = v};
    epoll_ctl(epollFd, EPOLL_CTL_MOD, v->fd, &event);
    return;
  }
  if (v->stalled || !(events & (EPOLLIN | EPOLLHUP | EPOLLERR))) return;
  ssize_t n = recv(v->fd, buffer, sizeof buffer, 0);
  if (n == 0 || (n < 0 && errno != EAGAIN)) { lost(v); return; }
  if (n <= 0) return;
  bytes += n;
  takeBytes(v, buffer, n, now());
}

static int compareNumbers(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return x < y ? -1 : x > y;
}

static void reportPercentiles(const char *name, double *values, int n) {
  qsort(values, n, sizeof *values, compareNumbers);
#define AT(share) (n == 0 ? 0 : values[(int)((share) * (n - 1) + 0.5)])
  printf(",\"%s\":{\"n\":%d,\"p50\":%.3f,\"p95\":%.3f,\"p99\":%.3f,\"max\":%.3f}", name, n, AT(0.5), AT(0.95), AT(0.99), AT(1.0));
}

static void finishWaiting(int timedOut) {
  printf("{\"ready\":%d,\"failed\":%d,\"retries\":%d,\"ms\":%.1f,\"timedOut\":%s", ready, failed, retries, now() - commandAt,
    timedOut ? "true" : "false");
  if (waiting == STORM) {
    double *values = malloc(sizeof(double) * count);
    int n = 0;
    for (int i = 0; i < count; i++) if (viewers[i].snapshotAt > 0) values[n++] = viewers[i].snapshotAt - stormAt;
    reportPercentiles("recoveryMs", values, n);
    free(values);
  }
  printf("}\n");
  fflush(stdout);
  waiting = NOTHING;
  storming = 0;
}

static void setStalled(int from, int n, int stalled) {
  for (int i = from; i < from + n && i < count; i++) {
    viewers[i].stalled = stalled;
    viewers[i].frames0 = viewers[i].frames;
    struct epoll_event event = {.events = stalled ? 0 : EPOLLIN, .data.ptr = &viewers[i]};
    if (viewers[i].fd >= 0) epoll_ctl(epollFd, EPOLL_CTL_MOD, viewers[i].fd, &event);
  }
}

static void onCommand(char *line) {
  char name[32] = "";
  long long a = 0, b = 0, c = 0;
  sscanf(line, "%31s %lld %lld %lld", name, &a, &b, &c);
  commandAt = now();
  if (strcmp(name, "open") == 0) { waiting = OPENING; return; }
  if (strcmp(name, "storm") == 0) {
    waiting = STORM;
    storming = 1;
    recovered = retries = 0;
    for (int i = 0; i < count; i++) closeViewer(&viewers[i]);
    stormAt = now();
    parallel = count;
    // To another port after a pause between `b` and `c` ms, as clients with a back-off do; or all at once, to the same.
    if (a > 0) port = a;
    nextToOpen = c > 0 ? count : 0;
    for (int i = 0; c > 0 && i < count; i++) viewers[i].retryAt = stormAt + b + rand() % (int)(c - b + 1), viewers[i].snapshotAt = 0;
    return;
  }
  if (strcmp(name, "reset") == 0) {
    bytes = frames = levels = acks = lostWrites = 0;
    sampleCount = 0;
    for (int i = 0; i < count; i++) viewers[i].marked = 0;
    printf("{\"ok\":true}\n");
  } else if (strcmp(name, "mark") == 0) {
    // From now on this text is looked for.
    mark = strdup(line[4] == ' ' ? line + 5 : "");
    for (int i = 0; i < count; i++) viewers[i].marked = 0;
    printf("{\"ok\":true}\n");
  } else if (strcmp(name, "cover") == 0) {
    // Which viewers had which version first, for `b` versions after `a`.
    // A negative `a`: after the newest that anybody has.
    for (int i = 0; a < 0 && i < count; i++) if (viewers[i].upTo > coverBase || i == 0) coverBase = viewers[i].upTo;
    if (a >= 0) coverBase = a;
    coverMax = b;
    free(covers);
    covers = calloc(b, sizeof *covers);
    for (int i = 0; i < count; i++) if (viewers[i].upTo < coverBase) viewers[i].upTo = coverBase;
    printf("{\"base\":%lld}\n", coverBase);
  } else if (strcmp(name, "stats") == 0) {
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    printf("{\"ready\":%d,\"closed\":%d,\"bytes\":%llu,\"frames\":%llu,\"levels\":%llu,\"acks\":%llu,\"lostWrites\":%llu,\"cpuMs\":%.1f}\n",
      ready, closedByServer, bytes, frames, levels, acks, lostWrites,
      (usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1e3 + (usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e3);
  } else if (strcmp(name, "samples") == 0) {
    printf("{\"samples\":[");
    for (size_t i = 0; i < sampleCount; i++) printf("%s[%lld,%.3f]", i ? "," : "", samples[i].upTo, samples[i].at);
    printf("]}\n");
  } else if (strcmp(name, "coverage") == 0) {
    // [version, viewers that have it, first, last]
    printf("{\"coverage\":[");
    for (int i = 0, any = 0; i < coverMax; i++)
      if (covers[i].count > 0) printf("%s[%lld,%d,%.3f,%.3f]", any++ ? "," : "", coverBase + 1 + i, covers[i].count, covers[i].first, covers[i].last);
    printf("]}\n");
  } else if (strcmp(name, "marks") == 0) {
    double *values = malloc(sizeof(double) * count);
    int n = 0;
    for (int i = 0; i < count; i++) if (viewers[i].marked) values[n++] = viewers[i].markedAt;
    printf("{\"of\":%d", count);
    reportPercentiles("markedAtMs", values, n);
    printf("}\n");
    free(values);
  } else if (strcmp(name, "stall") == 0 || strcmp(name, "unstall") == 0) {
    setStalled(a, b, name[0] == 's');
    printf("{\"ok\":true}\n");
  } else if (strcmp(name, "quit") == 0) exit(0);
  else printf("{\"error\":\"no such command\"}\n");
  fflush(stdout);
}

static void readTokens(const char *file) {
  FILE *in = fopen(file, "r");
  if (in == NULL) fail(file);
  char *line = NULL;
  size_t size = 0;
  ssize_t n;
  while ((n = getline(&line, &size, in)) > 0) {
    if (line[n - 1] == '\n') line[n - 1] = 0;
    tokens = realloc(tokens, sizeof *tokens * (tokenCount + 1));
    tokens[tokenCount++] = strdup(line);
  }
  free(line);
  fclose(in);
}

static void options(int argc, char **argv) {
  for (int i = 1; i < argc; i++) {
    char *value = strchr(argv[i], '=');
    if (value == NULL) { fprintf(stderr, "flood: %s is not name=value\n", argv[i]); exit(2); }
    *value++ = 0;
    char *name = argv[i];
    if (!strcmp(name, "port")) port = atoi(value);
    else if (!strcmp(name, "count")) count = atoi(value);
    else if (!strcmp(name, "mode")) sioMode = strcmp(value, "ws") != 0;
    else if (!strcmp(name, "path")) path = value;
    else if (!strcmp(name, "hello")) hello = value;
    else if (!strcmp(name, "join")) join = value;
    else if (!strcmp(name, "rejoin")) rejoin = value;
    else if (!strcmp(name, "tokens")) readTokens(value);
    else if (!strcmp(name, "ackEvery")) ackEvery = atoi(value);
    else if (!strcmp(name, "ackWithinMs")) ackWithinMs = atof(value);
    else if (!strcmp(name, "ackText")) ackText = value;
    else if (!strcmp(name, "parallel")) parallel = atoi(value);
    else if (!strcmp(name, "sampleEvery")) sampleEvery = atoi(value);
    else if (!strcmp(name, "rcvbuf")) rcvbuf = atoi(value);
    else { fprintf(stderr, "flood: no such option: %s\n", name); exit(2); }
  }
}

// Opens what is still to be opened, acknowledges what is due, and answers a command that waits.
static void tick(void) {
  double at = now();
  while (waiting != NOTHING && nextToOpen < count && inHandshake < parallel) startConnection(&viewers[nextToOpen++]);
  for (int i = 0; i < nextToOpen; i++) {
    Viewer *v = &viewers[i];
    if (v->state == IDLE && v->retryAt > 0 && at >= v->retryAt) { v->retryAt = 0; startConnection(v); }
    if (v->state == READY && !v->stalled && v->unacked > 0 && at - v->unackedSince >= ackWithinMs) acknowledge(v);
  }
  if (waiting == NOTHING) return;
  int done = waiting == STORM ? recovered >= count && ready >= count : ready >= count;
  if (done || at - commandAt > 60000) finishWaiting(!done);
}

int main(int argc, char **argv) {
  options(argc, argv);
  struct rlimit files = {count + 64, count + 64};
  if (setrlimit(RLIMIT_NOFILE, &files) < 0 && count > 900) fprintf(stderr, "flood: cannot raise the limit of open files\n");
  epollFd = epoll_create1(0);
  viewers = calloc(count, sizeof *viewers);
  samples = malloc(sizeof *samples * sampleMax);
  for (int i = 0; i < count; i++) {
    viewers[i].fd = -1;
    viewers[i].token = i;
    viewers[i].capture = malloc(CAPTURE);
  }
  struct epoll_event stdinEvent = {.events = EPOLLIN, .data.ptr = NULL};
  epoll_ctl(epollFd, EPOLL_CTL_ADD, 0, &stdinEvent);
  static struct epoll_event events[512];
  static char input[4096];
  int inputLength = 0;
  double tickAt = 0;
  for (;;) {
    int n = epoll_wait(epollFd, events, 512, waiting == NOTHING ? 50 : 2);
    for (int i = 0; i < n; i++) {
      if (events[i].data.ptr != NULL) { onEvent(events[i].data.ptr, events[i].events); continue; }
      ssize_t got = read(0, input + inputLength, sizeof input - 1 - inputLength);
      if (got <= 0) return 0;
      inputLength += got;
      input[inputLength] = 0;
      char *end;
      while ((end = strchr(input, '\n')) != NULL) {
        *end = 0;
        onCommand(input);
        inputLength -= end + 1 - input;
        memmove(input, end + 1, inputLength + 1);
      }
    }
    double at = now();
    if (waiting != NOTHING || at - tickAt >= 50) {
      tickAt = at;
      tick();
    }
  }
}
