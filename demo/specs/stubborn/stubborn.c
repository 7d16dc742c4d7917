#include <stdio.h>

int main(void)
{
    puts("stubborn");
    return removed_upstream_long_ago();
}
