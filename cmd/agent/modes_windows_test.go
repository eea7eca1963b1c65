package main

// modesTell is false: on Windows access lists tell who may read a file.
const modesTell = false
