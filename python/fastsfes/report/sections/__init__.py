"""The sections of the page, one file each: from data to markup."""
