/* Finds processes of this machine by a mark in their environment, and signals them. */

#pragma once

/*
 * Sends the signal to each process that has the mark in its environment, whatever its namespace.
 * The mark is random or begins with a random text, so it belongs to this agent alone. Processes
 * whose environment cannot be read are left out. Returns the number of processes signalled.
 */
unsigned process_mark_signal(const char *mark, int number);
