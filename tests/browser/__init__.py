"""Tests that click through the pages in headless Chromium."""
