/*
 * What every encoder helper shares.
 *
 * A helper is called with parameters as name=value arguments, reads plain data
 * from standard input until its end and writes the compressed form to standard
 * output. Status 0 means that all of it was written, 2 that a parameter is
 * unknown or out of range, 1 everything else; the reason is one line on
 * standard error. "--version" prints "LIBRARY VERSION PROTOCOL" and exits.
 */
#ifndef WELD_HELPER_H
#define WELD_HELPER_H

#include <errno.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PROTOCOL 1

/* A parameter: its name, its default until parse_params sets it, its range. */
struct param {
	const char *name;
	long long value;
	long long min, max;
};

static void die(int status, const char *fmt, ...) __attribute__((noreturn, format(printf, 2, 3)));

static void die(int status, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
	exit(status);
}

static void parse_param(const char *arg, struct param *params, size_t n)
{
	const char *eq = strchr(arg, '=');
	char *end;
	size_t i;

	if (eq == NULL)
		die(2, "%s: not name=value", arg);
	for (i = 0; i < n; i++) {
		struct param *p = &params[i];

		if (strlen(p->name) != (size_t)(eq - arg) || strncmp(p->name, arg, (size_t)(eq - arg)) != 0)
			continue;
		errno = 0;
		p->value = strtoll(eq + 1, &end, 10);
		if (errno != 0 || end == eq + 1 || *end != '\0' || p->value < p->min || p->value > p->max)
			die(2, "%s: value out of range", arg);
		return;
	}
	die(2, "%s: unknown parameter", arg);
}

/* parse_params handles --version and sets the values of params. */
static void parse_params(int argc, char **argv, struct param *params, size_t n, const char *library, const char *version)
{
	int i;

	if (argc == 2 && strcmp(argv[1], "--version") == 0) {
		printf("%s %s %d\n", library, version, PROTOCOL);
		exit(fflush(stdout) == 0 ? 0 : 1);
	}
	for (i = 1; i < argc; i++)
		parse_param(argv[i], params, n);
}

/* fill reads until buf holds n bytes; it returns fewer only at the end of the input. */
static size_t fill(void *buf, size_t n)
{
	size_t got = 0;

	while (got < n) {
		ssize_t r = read(STDIN_FILENO, (char *)buf + got, n - got);

		if (r == 0)
			break;
		if (r < 0) {
			if (errno == EINTR)
				continue;
			die(1, "read: %s", strerror(errno));
		}
		got += (size_t)r;
	}
	return got;
}

static void put(const void *buf, size_t n)
{
	const char *p = buf;

	while (n > 0) {
		ssize_t w = write(STDOUT_FILENO, p, n);

		if (w < 0) {
			if (errno == EINTR)
				continue;
			die(1, "write: %s", strerror(errno));
		}
		p += w;
		n -= (size_t)w;
	}
}

#endif
