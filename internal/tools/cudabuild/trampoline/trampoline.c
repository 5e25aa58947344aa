// The trampoline: what a CUDA build of flow links in libcuda's place (libcuda.a). Every call of calls.h jumps to an address
// that is found when a device is first opened; so the program starts without libcuda.so.1 and without a device, and
// can say which of the two is missing.

#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>

// Results of cuda.h, which this file does not need.
enum { SUCCESS = 0, NOT_INITIALIZED = 3, SHARED_OBJECT_INIT_FAILED = 303, NOT_SUPPORTED = 801 };

static int not_opened(void) { return NOT_INITIALIZED; }
static int not_there(void) { return NOT_SUPPORTED; }

// FORWARD makes a function that jumps to where *to_NAME points, with all arguments where they are.
#if defined(__x86_64__)
#define FORWARD(name) #name ": jmp *to_" #name "(%rip)\n"
#elif defined(__aarch64__)
#define FORWARD(name) #name ": adrp x16, to_" #name "\n ldr x16, [x16, :lo12:to_" #name "]\n br x16\n"
#else
#error "the trampoline knows x86-64 and arm64"
#endif

#define CALL(name) \
	__attribute__((visibility("hidden"))) void *to_##name = (void *)not_opened; \
	__asm__(".text\n.globl " #name "\n.type " #name ", %function\n" FORWARD(name) ".size " #name ", .-" #name "\n");
#include "calls.h"
#undef CALL

static struct {
	const char *name;
	void **to;
} calls[] = {
#define CALL(name) {#name, &to_##name},
#include "calls.h"
#undef CALL
};

// cuInit is what gorgonia.org/cu calls before main, to end the program where it fails. The real one is called by
// flow_driver_open, which can give its result back.
int cuInit(unsigned int flags) {
	(void)flags;
	return SUCCESS;
}

// flow_driver_open loads libcuda and calls its cuInit. Where that fails the result is not 0, the other calls go on
// failing, and why, of n bytes, says what is known beside the result; it may be tried again.
int flow_driver_open(char *why, unsigned long n) {
	static pthread_mutex_t once = PTHREAD_MUTEX_INITIALIZER;
	static void *library;
	int result = SUCCESS;
	why[0] = 0;
	pthread_mutex_lock(&once);
	if (!library && !(library = dlopen("libcuda.so.1", RTLD_NOW | RTLD_LOCAL))) {
		snprintf(why, n, "%s", dlerror());
		result = SHARED_OBJECT_INIT_FAILED;
	}
	if (library) {
		int (*init)(unsigned int) = (int (*)(unsigned int))dlsym(library, "cuInit");
		if (init) {
			result = init(0);
		} else {
			snprintf(why, n, "%s", dlerror());
			result = SHARED_OBJECT_INIT_FAILED;
		}
	}
	for (unsigned long i = 0; result == SUCCESS && i < sizeof calls / sizeof *calls; i++) {
		void *to = dlsym(library, calls[i].name);
		*calls[i].to = to ? to : (void *)not_there;
	}
	pthread_mutex_unlock(&once);
	return result;
}
