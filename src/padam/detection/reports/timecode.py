"""Timecodes as editors read them."""


def timecode(time_s: float) -> str:
    """`HH:MM:SS.mmm` of a time in seconds from the title's start, rounded to the millisecond."""
    if time_s < 0:
        raise ValueError(f"time_s is {time_s}; a title starts at 0")
    milliseconds = round(time_s * 1000)
    seconds, milliseconds = divmod(milliseconds, 1000)
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:02d}:{minutes:02d}:{seconds:02d}.{milliseconds:03d}"
