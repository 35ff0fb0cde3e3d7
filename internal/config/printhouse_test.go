package config_test

import (
	"path/filepath"
	"strings"
	"testing"
	"time"

	"sikkerpost.dk/gateway/internal/config"
)

const overSFTP = `"sftp": {"address": "sftp.print.example:22", "user": "engdal", "key_file": "letter-key.pem",
	"host_keys_file": "dpo.recipients", "jobs": "jobs", "receipts": "receipts", "timeout": "90s"}`

func TestAPrintHouseIsReachedOverSFTP(t *testing.T) {
	dir := folder(t)
	d, err := load[config.Dispatcher](t, dir, strings.Replace(dispatcher, `"out": "out", "events": "events"`, overSFTP, 1))
	if err != nil {
		t.Fatal(err)
	}
	s := d.PrintHouse.SFTP
	if s.Jobs != "jobs" || s.Receipts != "receipts" || s.Timeout != 90*time.Second || s.KeyFile != filepath.Join(dir, "letter-key.pem") {
		t.Errorf("got %+v", s)
	}
}

func TestAWrongPrintHouseIsNamed(t *testing.T) {
	for change, want := range map[string]string{
		`"out": "jobs", ` + overSFTP:                                                   "print_house.out",
		`"events": "events", ` + overSFTP:                                              "print_house.events",
		strings.Replace(overSFTP, "sftp.print.example:22", "sftp.print.example", 1):    "print_house.sftp.address",
		strings.Replace(overSFTP, `"user": "engdal", `, "", 1):                         "print_house.sftp.user",
		strings.Replace(overSFTP, "letter-key.pem", "nothing.pem", 1):                  "print_house.sftp.key_file",
		strings.Replace(overSFTP, `"host_keys_file": "dpo.recipients", `, "", 1):       "print_house.sftp.host_keys_file",
		strings.Replace(overSFTP, `"receipts": "receipts"`, `"receipts": "./jobs"`, 1): "print_house.sftp.receipts",
		`"out": "jobs", "events": "jobs"`:                                              "print_house.events",
		`"out": "jobs"`:                                                                "print_house.events",
	} {
		t.Run(want, func(t *testing.T) {
			_, err := load[config.Dispatcher](t, folder(t), strings.Replace(dispatcher, `"out": "out", "events": "events"`, change, 1))
			if err == nil || !strings.Contains(err.Error(), want+": ") {
				t.Errorf("%s gives %v", change, err)
			}
		})
	}
}
