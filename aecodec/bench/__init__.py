"""Rate, distortion and time beside other codecs and denoisers."""
