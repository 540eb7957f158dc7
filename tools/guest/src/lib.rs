//! Guest images from Debian packages and of our own.
