package main

// selection names the captures that are kept in testdata/captures.
var selection = []string{}
