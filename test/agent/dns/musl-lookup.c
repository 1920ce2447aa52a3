/* Prints the addresses of a name as the C library that it is linked with resolves it, or the error. */
#include <arpa/inet.h>
#include <netdb.h>
#include <stdio.h>

int main(int argc, char **argv) {
  struct addrinfo hints = { .ai_socktype = SOCK_STREAM }, *found;
  char text[64];
  int error = getaddrinfo(argv[argc - 1], 0, &hints, &found);
  if (error) return printf("error %s\n", gai_strerror(error)), 2;
  for (; found; found = found->ai_next) {
    void *address = found->ai_family == AF_INET ? (void *)&((struct sockaddr_in *)found->ai_addr)->sin_addr
                                                : (void *)&((struct sockaddr_in6 *)found->ai_addr)->sin6_addr;
    puts(inet_ntop(found->ai_family, address, text, sizeof text));
  }
  return 0;
}
