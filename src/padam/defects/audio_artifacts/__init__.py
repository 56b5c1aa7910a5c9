"""Simulator of the AA paper: intervals of hum, hiss, distortion and clicks on 16-bit titles.

D. Higham et al., "A No-Reference Model for Detecting Audio Artifacts using Pretrained Audio Neural
Networks" (AA). The defects of PADAM are another set, in `padam.defects`.
"""
