"""Gathering the data of a report: plain data from the run and from the public functions."""
