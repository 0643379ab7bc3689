"""Rate, distortion and time beside other codecs and denoisers, with a report to look at."""
