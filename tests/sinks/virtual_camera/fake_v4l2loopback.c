/* A v4l2loopback device for processes that load this file by LD_PRELOAD.
 *
 * LOOPBACK_DEVICE    its path; need not exist
 * LOOPBACK_FRAMES    file that every frame is appended to, as 64 bits of its mean level
 * LOOPBACK_VIEWERS   file that holds how many watch, as text; read at every question
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/videodev2.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

#define CLIENT_USAGE (V4L2_EVENT_PRIVATE_START + 0x08E00000 + 1)
#define MOST 1024

struct state { int is_ours, subscribed, told; };
static struct state states[MOST];

static int is_ours(int fd) { return fd >= 0 && fd < MOST && states[fd].is_ours; }

static int viewers(void) {
    int count = 0;
    FILE *file = fopen(getenv("LOOPBACK_VIEWERS"), "r");
    if (file) {
        if (fscanf(file, "%d", &count) != 1) count = 0;
        fclose(file);
    }
    return count;
}

static int real_open(const char *path, int flags, int mode) {
    int (*next)(const char *, int, ...) = dlsym(RTLD_NEXT, "open64");
    return next(path, flags, mode);
}

static int opened(const char *path, int flags, int mode) {
    const char *device = getenv("LOOPBACK_DEVICE");
    if (!device || strcmp(path, device)) return real_open(path, flags, mode);
    int fd = real_open("/dev/null", O_RDWR | O_CLOEXEC, 0);
    if (fd >= 0 && fd < MOST) states[fd] = (struct state){1, 0, -1};
    return fd;
}

int open(const char *path, int flags, ...) {
    va_list rest;
    va_start(rest, flags);
    int mode = va_arg(rest, int);
    va_end(rest);
    return opened(path, flags, mode);
}

int open64(const char *path, int flags, ...) {
    va_list rest;
    va_start(rest, flags);
    int mode = va_arg(rest, int);
    va_end(rest);
    return opened(path, flags, mode);
}

int close(int fd) {
    int (*next)(int) = dlsym(RTLD_NEXT, "close");
    if (is_ours(fd)) states[fd].is_ours = 0;
    return next(fd);
}

static int refuse(int number) {
    errno = number;
    return -1;
}

static int event(int fd, struct v4l2_event *event) {
    int now = viewers();
    if (!states[fd].subscribed || now == states[fd].told) return refuse(ENOENT);
    memset(event, 0, sizeof *event);
    event->type = CLIENT_USAGE;
    memcpy(&event->u, &now, sizeof now);
    states[fd].told = now;
    return 0;
}

static int answer(int fd, unsigned long request, void *data) {
    struct v4l2_capability *capability = data;
    struct v4l2_event_subscription *subscription = data;
    switch (request) {
    case VIDIOC_QUERYCAP:
        memset(capability, 0, sizeof *capability);
        strcpy((char *)capability->driver, "v4l2 loopback");
        strcpy((char *)capability->card, "livestyle");
        capability->device_caps = V4L2_CAP_VIDEO_OUTPUT | V4L2_CAP_READWRITE;
        capability->capabilities = capability->device_caps | V4L2_CAP_DEVICE_CAPS;
        return 0;
    case VIDIOC_S_FMT:
        return ((struct v4l2_format *)data)->type == V4L2_BUF_TYPE_VIDEO_OUTPUT ? 0 : refuse(EINVAL);
    case VIDIOC_SUBSCRIBE_EVENT:
        if (subscription->type != CLIENT_USAGE) return refuse(EINVAL);
        states[fd].subscribed = 1;
        states[fd].told = -1;
        return 0;
    case VIDIOC_UNSUBSCRIBE_EVENT:
        states[fd].subscribed = 0;
        return 0;
    case VIDIOC_DQEVENT:
        return event(fd, data);
    }
    return refuse(ENOTTY);
}

int ioctl(int fd, unsigned long request, ...) {
    va_list rest;
    va_start(rest, request);
    void *data = va_arg(rest, void *);
    va_end(rest);
    if (is_ours(fd)) return answer(fd, request & 0xffffffff, data);
    int (*next)(int, unsigned long, ...) = dlsym(RTLD_NEXT, "ioctl");
    return next(fd, request, data);
}

ssize_t write(int fd, const void *data, size_t size) {
    ssize_t (*next)(int, const void *, size_t) = dlsym(RTLD_NEXT, "write");
    if (!is_ours(fd)) return next(fd, data, size);
    unsigned long long sum = 0;
    for (size_t at = 0; at < size; at += 2) sum += ((const unsigned char *)data)[at];
    unsigned long long mean = size ? sum / (size / 2) : 0;
    int log = real_open(getenv("LOOPBACK_FRAMES"), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0644);
    if (log >= 0) {
        if (next(log, &mean, sizeof mean) < 0) perror("LOOPBACK_FRAMES");
        ((int (*)(int))dlsym(RTLD_NEXT, "close"))(log);
    }
    return (ssize_t)size;
}
